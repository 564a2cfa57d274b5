"""The page in print: in a browser without a screen, and where no program can print it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_matssl.report import pdf
from napari_matssl.report.pdf import Renderer, find_renderer, write_pdf

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("<!DOCTYPE html><p>one page</p>", encoding="utf-8")
    return path


@needs_chromium
@pytest.mark.timeout(180)
def test_chromium_prints_the_report_with_the_heads_of_its_tables(reported, tmp_path):
    made = tmp_path / "report.pdf"
    assert write_pdf(reported.out / "report.html", made) == ""
    assert made.read_bytes().startswith(b"%PDF-")
    if shutil.which("pdftotext") is None:
        return
    text = subprocess.run(
        ["pdftotext", "-layout", str(made), "-"], capture_output=True, text=True, check=True
    ).stdout
    pages = text.split("\f")
    assert len(pages) > 4
    assert "St 37 <script>alert(1)</script>" in text
    assert re.search(r"checksum [0-9a-f]{8}", pages[0])
    assert re.search(rf"2 / {len(pages) - 1}\b", pages[1])
    assert "Measured by: name, date, signature" in pages[-2]


@needs_chromium
@pytest.mark.timeout(180)
def test_the_page_opens_without_a_complaint_of_the_browser(reported, tmp_path):
    shot = tmp_path / "shot.png"
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,800"),
            *(f"--screenshot={shot}", (reported.out / "report.html").as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=150,
    )
    assert shot.is_file()
    assert "CONSOLE" not in done.stderr


def test_one_line_tells_what_to_install_where_nothing_can_print(page, tmp_path, monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    monkeypatch.setattr(pdf.importlib.util, "find_spec", lambda name: None)
    line = write_pdf(page, tmp_path / "report.pdf")
    assert "pip install weasyprint" in line
    assert "\n" not in line
    assert not (tmp_path / "report.pdf").exists()


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({"chromium", "wkhtmltopdf"}, "chromium"),
        ({"google-chrome"}, "google-chrome"),
        ({"wkhtmltopdf"}, "wkhtmltopdf"),
    ],
)
def test_the_first_program_that_is_there_prints(monkeypatch, there, found):
    monkeypatch.setattr(pdf.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(pdf.shutil, "which", lambda n: f"/usr/bin/{n}" if n in there else None)
    assert find_renderer().name == found


def test_weasyprint_goes_first(monkeypatch):
    monkeypatch.setattr(pdf.importlib.util, "find_spec", lambda name: object())
    renderer = find_renderer()
    command = renderer.command(Path("a.html"), Path("a.pdf"), Path("profile"))
    assert (renderer.name, command[1:]) == ("WeasyPrint", ["-m", "weasyprint", "a.html", "a.pdf"])


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit('no font')", "status 1 (no font)"),
        ("", "it wrote no file"),
    ],
)
def test_a_program_that_fails_costs_the_pdf_alone(page, tmp_path, monkeypatch, program, words):
    broken = Renderer("printer", lambda *_: [sys.executable, "-c", program])
    monkeypatch.setattr(pdf, "find_renderer", lambda: broken)
    line = write_pdf(page, tmp_path / "report.pdf")
    assert line.startswith("No report.pdf was made by printer: ")
    assert words in line
    assert not (tmp_path / "report.pdf").exists()


def test_a_browser_that_sees_the_folder_of_the_page_alone_prints_there(page, tmp_path, monkeypatch):
    """As browsers from snap packages do: what they write to /tmp is nowhere."""
    program = (
        "import pathlib, sys; made = pathlib.Path(sys.argv[1]);"
        "made.is_relative_to(sys.argv[2]) and made.write_bytes(b'%PDF-')"
    )
    boxed = Renderer(
        "browser", lambda _, made, __: [sys.executable, "-c", program, str(made), str(page.parent)]
    )
    monkeypatch.setattr(pdf, "find_renderer", lambda: boxed)
    assert write_pdf(page, page.parent / "report.pdf") == ""
    assert {path.name for path in page.parent.iterdir()} == {"report.html", "report.pdf"}


def test_a_program_that_is_gone_or_hangs_costs_the_pdf_alone(page, tmp_path, monkeypatch):
    gone = Renderer("printer", lambda *_: [str(tmp_path / "gone")])
    monkeypatch.setattr(pdf, "find_renderer", lambda: gone)
    assert "No such file" in write_pdf(page, tmp_path / "report.pdf")
    slow = Renderer("printer", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(pdf, "find_renderer", lambda: slow)
    monkeypatch.setattr(pdf, "LONGEST_S", 0.2)
    assert "it took over" in write_pdf(page, tmp_path / "report.pdf")
