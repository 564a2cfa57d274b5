"""Parts of jobs over many images, which leave out those that can't be used."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from napari_matssl.errors import (
    ComputeError,
    InputError,
    MatSSLError,
    OutOfMemoryError,
    TurningErrors,
    printable,
)
from napari_matssl.progress import Control, Job, Preview, Progress, Skipped, one_of_many

_LONGEST_NAME = 255

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Prepared(Generic[Item, Result]):
    """What one process needs to do the same to many items.

    Parameters
    ----------
    do
        The job of one item; it returns None after STOP.
    message
        A line on the device and the like; empty if there is nothing to tell.
    """

    do: Callable[[Item], Job[Result | None]]
    message: str = ""


@dataclass(frozen=True)
class Ended:
    """How a job over many items ended.

    Parameters
    ----------
    skipped
        Those that were left out, and why.
    first
        The error of the first of them.
    stopped
        Whether the job was stopped before all were done.
    """

    skipped: tuple[Skipped, ...]
    first: MatSSLError | None
    stopped: bool


class Each(Protocol):
    """Does the same to many items: one after another here, or on the workers of a cluster."""

    def __call__(
        self,
        prepare: Callable[[], Prepared[Item, Result]],
        items: Mapping[str, Item],
        stage: str,
        take: Callable[[str, Result], None],
    ) -> Job[Ended]:
        """Do it; leave out items that can't be used, with a line.

        Parameters
        ----------
        prepare
            Loads what all items need, once per process.
        items
            By name.
        stage
            What it is called.
        take
            Called with each name and result, in the thread of the job.

        Raises
        ------
        MatSSLError
            Any but an InputError or a ComputeError of an item.
        """


def each_in_turn(
    prepare: Callable[[], Prepared[Item, Result]],
    items: Mapping[str, Item],
    stage: str,
    take: Callable[[str, Result], None],
    look: Callable[[Preview], Preview] = lambda preview: preview,
) -> Job[Ended]:
    """Do the same to many items in this process, as :class:`Each`.

    Parameters
    ----------
    look
        Changes previews.
    """
    prepared, total, skipped = prepare(), len(items), list[Skipped]()
    first: MatSSLError | None = None
    for number, (name, item) in enumerate(items.items()):
        try:
            with memory_errors(name), system_errors(name):
                job = prepared.do(item)
                result = yield from one_of_many(job, number, total, stage, look)
                if result is None:
                    return Ended(tuple(skipped), first, stopped=True)
                take(name, result)
        except (InputError, ComputeError) as error:
            # Their frames would keep the image in memory.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            first = first or error
            skipped.append(as_skipped(name, error))
            line = left_out(skipped[-1])
            if (yield Progress(stage, number + 1, total, message=line)) is Control.STOP:
                return Ended(tuple(skipped), first, stopped=number + 1 < total)
    return Ended(tuple(skipped), first, stopped=False)


def as_skipped(name: str, error: MatSSLError) -> Skipped:
    """Return the entry for an item that is left out."""
    return Skipped(printable(name), str(error), error.settings)


def left_out(skipped: Skipped) -> str:
    """Return the line on an image that is left out."""
    return f"Left out: {skipped.reason}"


def none_left(first: MatSSLError | None, count: int) -> MatSSLError:
    """Return the error for a batch of which nothing is left."""
    if first is None or count == 1:
        return first or InputError("There is no image to segment.", "Name images or their folder.")
    return first.reworded(f"None of the {count} images can be used. The first: {first.what}")


def memory_errors(name: str) -> TurningErrors:
    """Turn a full memory into an :class:`OutOfMemoryError` that names the image."""

    def turned(error: BaseException) -> MatSSLError | None:
        if not isinstance(error, MemoryError):
            return None
        return OutOfMemoryError(
            f"{name} doesn't fit into the memory.", "Cut it into parts, or close other programs."
        )

    return TurningErrors(turned)


def system_errors(name: str) -> TurningErrors:
    """Turn what the system reports of a file into an InputError that names the image.

    A drive on a network may go while it is asked whether a file is there.
    """

    def turned(error: BaseException) -> MatSSLError | None:
        if not isinstance(error, OSError) or error.errno is None:
            return None
        return InputError(
            f"{name} can't be used: {error.strerror}.",
            "Check the rights, the disk and the network.",
        )

    return TurningErrors(turned)


def check_output_names(path: Path, out: Path, endings: Sequence[str]) -> None:
    """Refuse an image whose results couldn't be written under their names.

    Parameters
    ----------
    path
        The image.
    out
        Folder of the results, which exists.
    endings
        What is added to the image's stem.

    Raises
    ------
    InputError
        If a name gets too long for the file system by what is added to it, or a folder has it.
    """
    names = [f"{path.stem}{ending}" for ending in endings]
    longest = max(names, key=lambda name: len(os.fsencode(name)), default="")
    if len(os.fsencode(longest)) > _most_bytes(out):
        raise InputError(
            f"{path} has too long a name: {longest} couldn't be written.", "Shorten the name."
        )
    for name in names:
        if (out / name).exists() and not (out / name).is_file():
            raise InputError(
                f"{path} can't be segmented into {out}: {name} there is no file.",
                "Move it away, or choose another folder.",
            )


def _most_bytes(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # not available on every system
        return _LONGEST_NAME
