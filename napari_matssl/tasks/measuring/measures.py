"""The measures that can be chosen, and where their tables are written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from napari_matssl.errors import SettingsError, printable
from napari_matssl.export.run_tables import CORRECTED
from napari_matssl.files import check_writable, check_writable_folder
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.field_measures import (
    GRAIN_SUMMARY,
    GRAINS,
    LAYER_SUMMARY,
    LAYERS,
    NODULE_SUMMARY,
    NODULES,
    OBJECT_STATISTICS,
    OBJECT_SUMMARY,
    OBJECTS,
    PHASES,
    SUMMARY,
    FieldMeasure,
    Grains,
    LayerThickness,
    Nodularity,
    ObjectMeasure,
    Phases,
)
from napari_matssl.tasks.measuring.point_counts import ALL_POINTS, COUNT, COUNT_SUMMARY
from napari_matssl.tasks.recipe.run_guard import check_no_run

TABLES: Mapping[str, tuple[str, ...]] = {
    "phases": (PHASES, SUMMARY),
    "objects": (OBJECTS, OBJECT_SUMMARY, OBJECT_STATISTICS),
    "grains": (GRAINS, GRAIN_SUMMARY),
    "layers": (LAYERS, LAYER_SUMMARY),
    "nodules": (NODULES, NODULE_SUMMARY),
}
"""Names of the tables of each measure."""

Names = Sequence[str] | Mapping[str, Sequence[str]]
"""Names of classes that are measured: the same for all measures, or by measure."""


def check_table_place(out: Path, settings: MeasureSettings) -> None:
    """Check early that tables can be written.

    Parameters
    ----------
    out
        A folder, or the table of area fractions alone if its name ends in ``.csv``.

    Raises
    ------
    OutputError
        If they can't, or the folder holds a run of a recipe.
    SettingsError
        If one table is wanted of other measures.
    """
    check_no_run(out.parent if _is_table(out) else out)
    if not _is_table(out):
        check_writable_folder(out)
    elif settings.chosen != ("phases",):
        raise SettingsError(
            f"{out} is the name of one table, but {settings.measures} give several.",
            "Name a folder.",
            settings="out",
        )
    else:
        check_writable(out)


def table_paths(out: Path, tables: Mapping[str, pd.DataFrame]) -> dict[Path, pd.DataFrame]:
    """Return where each table is written: in a folder, or area fractions alone beside `out`."""
    if not _is_table(out):
        return {out / name: frame for name, frame in tables.items()}
    prefix = "" if out.name == PHASES else f"{out.stem}_"
    beside = {
        out.with_name(f"{prefix}{name}"): tables[name]
        for name in (SUMMARY, CORRECTED)
        if name in tables
    }
    return {out: tables[PHASES], **beside}


def describe_older(wanted: Iterable[Path]) -> str:
    """Return a line on tables of an earlier run that lie beside new ones; empty if none do.

    Parameters
    ----------
    wanted
        Where the new tables are.
    """
    new = list(wanted)
    known = (
        CORRECTED,
        COUNT,
        COUNT_SUMMARY,
        ALL_POINTS,
        *(name for names in TABLES.values() for name in names),
    )
    folders = dict.fromkeys(path.parent for path in new)
    older = [f / name for f in folders for name in known if f / name not in new]
    names = [printable(path.name) for path in older if path.is_file()]
    if not names:
        return ""
    are = "are" if len(names) > 1 else "is"
    return f"{', '.join(names)} beside these tables {are} of an earlier run, not of these masks."


def _is_table(out: Path) -> bool:
    return out.suffix.lower() == ".csv"


def make_measures(settings: MeasureSettings, classes: Names) -> dict[str, FieldMeasure]:
    """Make the measures that were chosen, by name.

    Parameters
    ----------
    classes
        The classes to be measured where a measure takes single ones; empty for all.
    """

    def of(measure: str) -> Sequence[str]:
        return classes.get(measure, ()) if isinstance(classes, Mapping) else classes

    makers: dict[str, Callable[[], FieldMeasure]] = {
        "phases": Phases,
        "objects": lambda: ObjectMeasure(of("objects"), settings.directions),
        "grains": lambda: Grains(settings.grains, of("grains")),
        "layers": lambda: LayerThickness(settings.layers, of("layers")),
        "nodules": lambda: Nodularity(settings.nodules, of("nodules")),
    }
    return {name: makers[name]() for name in settings.chosen}
