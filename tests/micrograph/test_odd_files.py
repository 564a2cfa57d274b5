"""Real files as users have them, with what each should give."""

import csv

import pytest

from napari_matssl.errors import InputError
from napari_matssl.micrograph.reading import read_micrograph

pytestmark = pytest.mark.real


def test_odd_files_give_the_pixel_size_and_the_bar_that_they_should(real_data):
    folder = real_data / "odd-files"
    with (folder / "expected.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 18
    wrong = {}
    for row in rows:
        name, um, bar, _ = row.values()
        found = facts_of(folder / name)
        expected = (um, "") if um in ("stack", "broken") else (um and float(um), bar and int(bar))
        size = expected[0]
        near = pytest.approx(size, rel=1e-3) if isinstance(size, float) else size
        if found != (near, expected[1]):
            wrong[name] = (found, expected)
    assert wrong == {}


def facts_of(path):
    try:
        micrograph = read_micrograph(path)
    except InputError as error:
        return ("stack" if "is a stack" in str(error) else "broken"), ""
    size, bar = micrograph.pixel_size, micrograph.info_bar
    assert not micrograph.is_rgb or path.parent.name == "lom-jpeg"
    return ("" if size is None else size.x_um), ("" if bar is None else bar.row)
