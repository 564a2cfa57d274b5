"""The tables of one run in a folder that may hold those of another."""

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from napari_matssl.export.tables import (
    describe_other_names,
    is_replaceable,
    unguarded,
    write_frames_or_numbered,
)
from napari_matssl.measure.corrected import CorrectedFraction, corrected_frame
from napari_matssl.measure.phases import PhaseFraction, phases_frame, summary_frame

PHASES: Final = "phases.csv"
SUMMARY: Final = "summary.csv"
CORRECTED: Final = "corrected.csv"
STALE: Final = "stale"
"""Part of the names of tables whose masks are being replaced."""


class RunTables:
    """Tables in a folder of results: old ones are renamed first, new ones written last.

    A run that is killed on the way leaves masks of two runs. Tables that fit neither must not stand
    beside them as if they did: before the first mask is replaced, ``phases.csv`` becomes
    ``phases-stale.csv``. So do those that another run writes there meanwhile.

    Parameters
    ----------
    folder
        The folder of results.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = folder / PHASES, folder / SUMMARY, folder / CORRECTED
        self._aside: dict[Path, Path] = {}
        self._old_images: frozenset[str] = frozenset()
        self._begun = False
        self._met_another = False

    def remark(self) -> str:
        """Return a remark on tables that can't be replaced; empty if all can."""
        locked = [path.name for path in self._paths if not is_replaceable(path)]
        if not locked:
            return ""
        return (
            f"{' and '.join(locked)} can't be replaced, perhaps because another program has it "
            "open: the tables will get a number, such as phases-2.csv."
        )

    def set_aside(self) -> None:
        """Mark the tables of other runs as stale; called before masks of an image are written."""
        there = [path for path in self._paths if path.is_file()]
        if there:
            self._old_images |= images_in(self._paths[0])
        for path in there:
            aside = _free_name(path)
            # Another program may hold it, which was reported at the start.
            with contextlib.suppress(OSError):
                path.rename(aside)
                self._aside[aside] = path
                self._met_another |= self._begun
        self._begun = True

    def write(
        self, rows: Sequence[PhaseFraction], corrected: Sequence[CorrectedFraction]
    ) -> tuple[tuple[Path, ...], str]:
        """Write the new tables; old ones go if the new ones have all their images.

        Returns
        -------
        Where the tables are (phases, summary, corrected), and a line about old ones that stay, or
        ``""``.

        Raises
        ------
        OutputError
            If they can't be written, under other names neither.
        """
        self.set_aside()
        frames = phases_frame(rows), summary_frame(rows), corrected_frame(corrected)
        paths = write_frames_or_numbered(dict(zip(self._paths, frames, strict=True)))
        written = images_in(paths[0])
        remarks = list(filter(None, [describe_other_names(self._paths, paths)]))
        if self._met_another:
            remarks.append(
                "Another run has written its tables into this folder meanwhile, and its masks: "
                "choose a folder for each."
            )
        if self._old_images <= written:
            for path in self._aside:
                with contextlib.suppress(OSError):
                    # If it can't be removed, its name marks it.
                    path.unlink(missing_ok=True)
        elif self._aside:
            count = len(self._old_images - written)
            remarks.append(
                f"{' and '.join(path.name for path in self._aside)} keep the figures of another "
                f"run, with {count} image{'s' * (count != 1)} that this one hasn't done."
            )
        return paths, " ".join(remarks)

    def restore(self) -> None:
        """Restore the names of the old tables: no mask was replaced."""
        for aside, path in self._aside.items():
            with contextlib.suppress(OSError):  # they stay, with the marked name
                aside.rename(path)
        self._aside.clear()


def images_in(table: Path) -> frozenset[str]:
    """Read the names of the images in a table of ours; none where there is no such table."""
    return frozenset(runs_in(table))


def runs_in(table: Path) -> dict[str, str]:
    """Read the run of each image in a ``phases.csv``; empty where none is stored."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            return {unguarded(row["image"] or ""): row.get("run") or "" for row in rows}
    except (OSError, ValueError, KeyError, csv.Error):
        return {}


def _free_name(path: Path) -> Path:
    number = 1
    while True:
        more = "" if number == 1 else f"-{number}"
        aside = path.with_name(f"{path.stem}-{STALE}{more}{path.suffix}")
        if not aside.exists():
            return aside
        number += 1
