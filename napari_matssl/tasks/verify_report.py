"""Find what was changed in a report and the files that it names, or in a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.files import LONGEST_TEXT, check_regular, unreadable_file
from napari_matssl.micrograph.reading import is_zarr
from napari_matssl.report.contents import SourceFile
from napari_matssl.report.page_seal import check_page
from napari_matssl.report.seal import Finding, State
from napari_matssl.report.workbook_seal import check_workbook
from napari_matssl.tasks.recipe.recipe_file import SUFFIX, check_recipe
from napari_matssl.tasks.reporting.report_sources import checksum


@dataclass(frozen=True)
class Verified:
    """What was found of a report.

    Parameters
    ----------
    checksum
        Of the report as it is now, to be compared with the one on a signed sheet.
    findings
        Of its parts, then of the files that it names.
    """

    checksum: str
    findings: tuple[Finding, ...]

    def has(self, state: State) -> bool:
        """Whether anything is in a state."""
        return any(one.state is state for one in self.findings)


def verify_report(report: Path, folders: Mapping[str, Path] | None = None) -> Verified:
    """Compare a report with its own checksums, and the files that it names with theirs.

    Parameters
    ----------
    report
        ``report.html`` or ``report.xlsx``, or a recipe.
    folders
        Where files of some role (``"mask"``, ``"image"``) are looked for first; else they are
        looked for where they were, seen from the report.

    Raises
    ------
    InputError
        If the file can't be read, or is no report.
    """
    kind = report.suffix.lower()
    if kind == SUFFIX:
        return Verified(*check_recipe(report))
    if kind == ".pdf":
        raise InputError(
            f"{report} is a print: it has the checksum, but nothing to compare it with.",
            "Give report.html, and compare the checksum that is printed with that on the PDF.",
        )
    if kind == ".xlsx":
        whole, findings, files = check_workbook(report)
    else:
        whole, findings, files = check_page(_text(report), str(report))
    folders = folders or {}
    states = [
        Finding(one.role, one.name, _state(one, report, folders.get(one.role))) for one in files
    ]
    return Verified(whole, (*findings, *states))


def _text(report: Path) -> str:
    size = check_regular(report)
    if size > 4 * LONGEST_TEXT:
        raise InputError(f"{report} is too large for a report.", "Give the file as it was.")
    try:
        return report.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{report} is no text in UTF-8.", "Give report.html as it was.") from error
    except OSError as error:
        raise unreadable_file(report, error) from error


def _state(one: SourceFile, report: Path, folder: Path | None) -> State:
    places = [report.parent / one.place]
    if folder is not None:
        places.insert(0, folder / one.name)
    found = next((path for path in places if _is_image_or_file(path)), None)
    if found is None:
        return State.MISSING
    return State.UNCHANGED if checksum(found) == one.sha256 else State.CHANGED


def _is_image_or_file(path: Path) -> bool:
    return path.is_file() or (is_zarr(path) and path.is_dir())
