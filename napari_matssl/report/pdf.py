"""The page as a PDF, by whatever program of this machine can print one."""

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_matssl.files import atomic_write

_LOG = logging.getLogger(__name__)

LONGEST_S: Final = 180.0
"""After this time a program that prints is given up."""

NO_RENDERER: Final = (
    "No report.pdf was made: neither WeasyPrint nor Chromium, Chrome, Edge or wkhtmltopdf is "
    "installed. Install one (pip install weasyprint, or your system's chromium), or print "
    "report.html from a browser."
)

_CHROMIUM: Final = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "msedge"),
)
_QUIETLY: Final = (
    "headless", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "no-pdf-header-footer",
)  # fmt: skip
_ELSEWHERE: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)


@dataclass(frozen=True)
class Renderer:
    """A program that turns a page into a PDF.

    Parameters
    ----------
    name
        For people.
    command
        Makes the command line of page, PDF and a folder for its own files.
    """

    name: str
    command: Callable[[Path, Path, Path], Sequence[str]]


def find_renderer() -> Renderer | None:
    """Find a program that prints pages: WeasyPrint, a browser of Chromium's kind, wkhtmltopdf."""
    if importlib.util.find_spec("weasyprint") is not None:
        return Renderer(
            "WeasyPrint",
            lambda page, pdf, _: [sys.executable, "-m", "weasyprint", str(page), str(pdf)],
        )
    names = (*_CHROMIUM, *_ELSEWHERE)
    if browser := next(filter(None, map(shutil.which, names)), None):
        return Renderer(Path(browser).name, _printing_with(browser))
    if (other := shutil.which("wkhtmltopdf")) is not None:
        return Renderer("wkhtmltopdf", _printing_webkit(other))
    return None


def write_pdf(page: Path, pdf: Path) -> str:
    """Print a page into a PDF, atomically.

    Returns
    -------
    Why there is none; empty if there is one. The page can be printed by hand all the same.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    renderer = find_renderer()
    if renderer is None:
        return NO_RENDERER
    # A browser that the system keeps in a box of its own may see the page's folder alone.
    for folder in (None, pdf.parent):
        with tempfile.TemporaryDirectory(
            prefix="napari-matssl-", dir=folder, ignore_cleanup_errors=True
        ) as own:
            printed = Path(own) / "report.pdf"
            reason = _run(renderer.command(page.absolute(), printed, Path(own) / "profile"))
            if not reason and printed.is_file():
                with atomic_write(pdf) as temporary:
                    shutil.copyfile(printed, temporary)
                return ""
        if reason:
            break
    why = reason or "it wrote no file"
    return f"No {pdf.name} was made by {renderer.name}: {why}. Print {page.name} from a browser."


def _printing_with(browser: str) -> Callable[[Path, Path, Path], Sequence[str]]:
    def command(page: Path, pdf: Path, profile: Path) -> Sequence[str]:
        # Chromium's sandbox can't be set up by root; the page is ours and has no script.
        root = ("no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
        places = (f"user-data-dir={profile}", f"print-to-pdf={pdf}")
        options = (*_QUIETLY, *root, *places)
        return [browser, *(f"--{one}" for one in options), page.as_uri()]

    return command


def _printing_webkit(program: str) -> Callable[[Path, Path, Path], Sequence[str]]:
    def command(page: Path, pdf: Path, _: Path) -> Sequence[str]:
        return [
            program,
            *(f"--{one}" for one in ("quiet", "print-media-type")),
            str(page),
            str(pdf),
        ]

    return command


def _run(command: Sequence[str]) -> str:
    """Run a program; return why it failed."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it took over {LONGEST_S:.0f} s"
    except OSError as error:
        return str(error.strerror or error)
    _LOG.debug("%s", done.stderr)
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return f"it ended with status {done.returncode}" + (f" ({lines[-1][:200]})" if lines else "")
