"""Files of annotations: found among files and folders, and read one after the other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_matssl.errors import InputError, MatSSLError, StoppedError
from napari_matssl.files import missing_file, unreadable_file
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.labels.exchange.recognising import (
    SUFFIXES,
    Reading,
    is_annotation_file,
    read_annotation_file,
)
from napari_matssl.labels.exchange.shapes import AnnotationFile
from napari_matssl.labels.exchange.supervisely import META
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.tasks.batch import as_skipped, left_out

NO_ANNOTATIONS = (CLASSES_FILE, META, "project.json")
"""Files beside annotations that hold none."""


def files_in(sources: Iterable[Path], reading: Reading) -> list[Path]:
    """List the files of annotations among files and folders, each once.

    Parameters
    ----------
    sources
        Files and folders.
    reading
        Images in folders are taken if it has colours.

    Raises
    ------
    InputError
        If one doesn't exist, or a folder holds none.
    """
    found: dict[Path, Path] = {}
    for source in sources:
        try:
            is_folder, is_there = source.is_dir(), source.exists()
            inside = sorted(source.iterdir()) if is_folder else [source]
        except (OSError, ValueError) as error:
            raise unreadable_file(source, error) from error
        if not is_there:
            raise missing_file(source)
        if is_folder:
            inside = [one for one in inside if is_annotation_file(one, reading)]
            inside = [
                one for one in inside if one.name not in NO_ANNOTATIONS and one.name[0] != "."
            ]
            if not inside:
                raise InputError(
                    f"The folder {source} holds no files of annotations.",
                    f"They end in {', '.join(SUFFIXES)}; those of folders inside are not taken.",
                )
        for one in inside:
            found.setdefault(one.resolve(), one)
    return list(found.values())


def read_all(
    paths: Sequence[Path], reading: Reading
) -> Job[tuple[list[AnnotationFile], list[Skipped]]]:
    """Read files; leave out those that can't be used.

    Yields
    ------
    A progress per file.

    Raises
    ------
    InputError
        If none can be used.
    StoppedError
        If it was stopped.
    """
    files, skipped = list[AnnotationFile](), list[Skipped]()
    first: MatSSLError | None = None
    for number, path in enumerate(paths):
        message = ""
        try:
            files.append(read_annotation_file(path, reading))
        except InputError as error:
            first = first or error
            skipped.append(as_skipped(path.name, error))
            message = left_out(skipped[-1]) if len(paths) > 1 else ""
        progress = Progress("reading annotations", number + 1, len(paths), message=message)
        if (yield progress) is Control.STOP:
            raise nothing_written()
    if not files:
        assert first is not None
        many = f"None of the {len(paths)} files can be used. The first: {first.what}"
        raise first if len(paths) == 1 else first.reworded(many)
    return files, skipped


def nothing_written() -> StoppedError:
    """Return the error of a job that was stopped before it had written anything."""
    return StoppedError("Stopped before the first label image; nothing was written.")
