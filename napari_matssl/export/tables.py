"""Tables as files that spreadsheets open right with a double click.

They are CSV in UTF-8 with a byte order mark, without which spreadsheets take other letters than
English ones for something else. A cell of words that a spreadsheet would compute gets an apostrophe
before it.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from napari_matssl.errors import OutputError, printable
from napari_matssl.files import atomic_write
from napari_matssl.measure.phases import PhaseFraction, phases_frame, summary_frame

_FORMULAS = tuple("=+-@＝＋－＠")
_GUARD = "'"
_TRIES = 9


def write_tables(rows: Sequence[PhaseFraction], phases_path: Path, summary_path: Path) -> None:
    """Write the tables of area fractions, as :func:`write_frames`."""
    write_frames(_frames(rows, phases_path, summary_path))


def write_tables_or_numbered(
    rows: Sequence[PhaseFraction], phases_path: Path, summary_path: Path
) -> tuple[Path, Path]:
    """Write the tables of area fractions, as :func:`write_frames_or_numbered`; their paths."""
    phases, summary = write_frames_or_numbered(_frames(rows, phases_path, summary_path))
    return phases, summary


def write_frames(frames: Mapping[Path, pd.DataFrame]) -> None:
    """Write tables as CSV, atomically: Unix line ends, blank where undefined.

    None is put in its place before all are written, so that they fit each other.

    Raises
    ------
    OutputError
        If one can't be written; then none is.
    """
    for path in frames:
        if not is_replaceable(path):
            raise OutputError(
                f"{path} can't be replaced.", "Close the program that has it open, or move it away."
            )
    with ExitStack() as stack:
        # The first is put in its place first: the stack ends the last context first.
        places = {path: stack.enter_context(atomic_write(path)) for path in reversed(list(frames))}
        for path, frame in frames.items():
            _write(frame, places[path])


def write_frames_or_numbered(frames: Mapping[Path, pd.DataFrame]) -> tuple[Path, ...]:
    """Write tables; under numbered names where those wanted can't be replaced.

    A spreadsheet that has a table open may keep it from being replaced: ``phases-2.csv`` and
    ``summary-2.csv`` are written then.

    Returns
    -------
    Their paths.

    Raises
    ------
    OutputError
        If they can't be written under other names either.
    """
    first: OutputError | None = None
    for number in range(1, _TRIES + 1):
        numbered = {_numbered(path, number): frame for path, frame in frames.items()}
        if number > 1 and any(path.exists() for path in numbered):
            continue
        try:
            write_frames(numbered)
        except OutputError as error:
            first = first or error
            continue
        return tuple(numbered)
    assert first is not None  # the first attempt is always made
    raise first


def describe_other_names(wanted: Sequence[Path], written: Sequence[Path]) -> str:
    """Explain why tables have other names than those wanted; empty if they don't."""
    if list(written) == list(wanted):
        return ""
    held = [path.name for path in wanted if not is_replaceable(path)]
    held = held or [path.name for path in wanted]  # the check succeeded, writing failed
    return (
        f"{' and '.join(held)} can't be replaced, perhaps because another program has it open: "
        f"the tables are {', '.join(p.name for p in written[:-1])} and {written[-1].name}."
    )


def is_replaceable(path: Path) -> bool:
    """Whether a table can be written here; spreadsheets of some systems lock what they show."""
    try:
        if not path.exists():
            return True
        if not path.is_file():
            return False
        path.rename(path)
    except PermissionError:
        return False
    except OSError:  # writing raises it again, with the reason
        return True
    return True


def unguarded(cell: str) -> str:
    """Remove the apostrophe before a guarded cell."""
    guarded = cell.startswith(_GUARD) and cell[1:].startswith(_FORMULAS)
    return cell[1:] if guarded else cell


def _frames(
    rows: Sequence[PhaseFraction], phases_path: Path, summary_path: Path
) -> dict[Path, pd.DataFrame]:
    return {phases_path: phases_frame(rows), summary_path: summary_frame(rows)}


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _write(frame: pd.DataFrame, path: Path) -> None:
    words = {n: frame[n].map(_guarded) for n in frame if not is_numeric_dtype(frame[n].dtype)}
    frame.assign(**words).to_csv(
        path, index=False, encoding="utf-8-sig", lineterminator="\n", float_format="%.10g"
    )


def _guarded(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return _GUARD + text if text.startswith(_FORMULAS) else text
