"""The folder of a run: it holds one run of one recipe on one folder of images, and nothing else."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_matssl.errors import InputError, MatSSLError, OutputError
from napari_matssl.files import check_writable_folder, read_json, write_json
from napari_matssl.micrograph.checksum import checksum_of
from napari_matssl.tasks.recipe.judging import Judged, Verdict
from napari_matssl.tasks.recipe.run_guard import RUN

FORMAT_VERSION: Final = 1
_ANOTHER: Final = "Choose a new folder."


class ImageVerdict(BaseModel):
    """What became of an image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    sha256: str = ""


class RunRecord(BaseModel):
    """Content of ``run.json``, for programs of the laboratory, too.

    Parameters
    ----------
    recipe, checksum
        Name and checksum of the recipe.
    folder
        Of the images, absolute.
    specimen
        As it stands in the report.
    finished
        When the report was written, ISO 8601; empty until then.
    signed
        By whom, and when; empty until then.
    verdict
        Of the run; None until it is finished.
    images
        By name; while a run goes on, those of its last report.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    recipe: str
    checksum: str
    folder: str
    specimen: str = ""
    finished: str = ""
    signed: str = ""
    verdict: Verdict | None = None
    images: dict[str, ImageVerdict] = Field(default_factory=dict)

    def judged(self, verdict: Verdict, images: tuple[Judged, ...], finished: str) -> "RunRecord":
        """Return it with what has become of the run and of its images."""
        by_name = {
            one.image: ImageVerdict(verdict=one.verdict, reasons=one.reasons, sha256=one.sha256)
            for one in images
        }
        return self.model_copy(update={"verdict": verdict, "images": by_name, "finished": finished})

    def write(self, out: Path) -> None:
        """Write it into the folder of its run, atomically."""
        write_json(out / RUN, self.model_dump(mode="json"))


def check_run_folder(out: Path, record: RunRecord, images: Sequence[Path]) -> RunRecord:
    """Check that a folder may take a run: it is empty, or holds the same one, unsigned.

    A run that has its report is the same if its specimen is, and some of its images are there
    unchanged: others may have gone, come, or been taken again.

    Parameters
    ----------
    out
        The folder.
    record
        Of the run to be.
    images
        That it would segment.

    Returns
    -------
    What is known of the run by now.

    Raises
    ------
    OutputError
        If it can't be written, or holds anything else.
    """
    if _is_same(out, Path(record.folder)):
        raise OutputError(f"{out} is the folder of the images.", _ANOTHER)
    there = _visible(out)
    if RUN in there:
        kept = read_run(out)
        if (kept.checksum, kept.folder) != (record.checksum, record.folder):
            raise OutputError(
                f"{out} holds a run of {kept.recipe} on {kept.folder}, not of {record.recipe} on "
                f"{record.folder}.",
                _ANOTHER,
            )
        if kept.signed:
            raise OutputError(f"{out} holds a run that is signed: {kept.signed}.", _ANOTHER)
        if kept.images:  # of its report, which the run may be about to replace
            _check_same_specimen(out, kept, record, images)
        record = kept
    elif there:
        raise OutputError(f"{out} isn't empty, and holds no run of a recipe.", _ANOTHER)
    check_writable_folder(out)
    return record


def _check_same_specimen(
    out: Path, kept: RunRecord, record: RunRecord, images: Sequence[Path]
) -> None:
    """Refuse to replace the report of another specimen, or of other images."""
    if kept.specimen != record.specimen:
        named = [
            f"specimen {x!r}" if x else "a specimen without a name"
            for x in (kept.specimen, record.specimen)
        ]
        raise OutputError(f"{out} holds the report of {named[0]}, not of {named[1]}.", _ANOTHER)
    known = {one.sha256 for one in kept.images.values() if one.sha256}
    if known and not any(_checksum(path) in known for path in images):
        raise OutputError(
            f"{out} holds the report of other images, none of which is in {record.folder} any "
            "more.",
            _ANOTHER,
        )


def _checksum(path: Path) -> str:
    try:
        return checksum_of(path)
    except InputError:  # it will be left out
        return ""


def read_run(out: Path) -> RunRecord:
    """Read what is known of a run.

    Raises
    ------
    OutputError
        If that is damaged.
    """
    path = out / RUN
    try:
        return RunRecord.model_validate(read_json(path, _ANOTHER))
    except (ValidationError, InputError) as error:
        detail = error.what if isinstance(error, MatSSLError) else "it is no run of a recipe"
        raise OutputError(f"{path} can't be used: {detail.rstrip('.')}.", _ANOTHER) from error


def _visible(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"{folder} can't be listed: {error.strerror}.", _ANOTHER) from error


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
