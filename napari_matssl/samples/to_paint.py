"""Sample micrographs to paint on by hand."""

from pathlib import Path

from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.files import check_writable_folder
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.samples import class_table, make_sample

MATERIAL = "dual-phase"
SEEDS = (0, 1, 2, 3, 4, 8)
"""One of them, the third, has an info bar."""


def write_samples_to_paint(out: Path) -> Path:
    """Write calibrated micrographs of dual-phase steel, and their class table, into `out`.

    What is there from before stays, strokes among it.

    Returns
    -------
    The folder of micrographs.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    folder = out / "micrographs"
    check_writable_folder(folder)
    classes = folder / CLASSES_FILE
    if not classes.exists():
        class_table(MATERIAL).write(classes)
    for number, seed in enumerate(SEEDS, start=1):
        path = folder / f"steel-{number}.tif"
        if not path.exists():
            write_micrograph(path, make_sample(MATERIAL, seed).micrograph)
    return folder
