"""Small masks, the command line, and readers of what it writes, for tests of reports."""

import csv
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.cli import main

NAMES = ("a", "b<i>&'", "c", "d")
SPECIMEN = 'St 37 <script>alert(1)</script> & "co"'
UM = 0.5


def run_command(*arguments):
    """Run the command line; return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["napari-matssl", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return end.code or 0
    return 0


def write_image(path, seed, um=UM, shape=(120, 160)):
    pixels = np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8)
    tifffile.imwrite(
        path, pixels, imagej=True, resolution=(1 / um, 1 / um), metadata={"unit": "um"}
    )


def mask_of(seed, shape=(120, 160)):
    """Squares of graphite in a matrix, between two grain boundaries, more of them with the seed."""
    mask = np.ones(shape, np.uint8)
    rng = np.random.default_rng(seed)
    for row in range(8, shape[0] - 20, 24):
        for column in range(8, shape[1] - 20, 24):
            size = int(rng.integers(4, 9 + seed))
            mask[row : row + size, column : column + size] = 2
    mask[:, 20::40] = 3
    mask[30::40, :] = 3
    return mask


def write_masks(folder, names=NAMES):
    masks, images = folder / "masks", folder / "images"
    masks.mkdir(parents=True)
    images.mkdir()
    (masks / "classes.json").write_text('{"1": "matrix", "2": "graphite", "3": "boundary"}')
    for seed, name in enumerate(names):
        Image.fromarray(mask_of(seed)).save(masks / f"{name}_mask.png")
        write_image(images / f"{name}.tif", seed)
    return masks, images


@dataclass(frozen=True)
class Reported:
    """A folder with masks, images, and the report and tables in ``out``."""

    folder: Path
    out: Path

    @property
    def html(self):
        return (self.out / "report.html").read_text("utf-8")

    def rows(self, name):
        """Rows of a table as text, as it stands in the CSV file."""
        return list(csv.DictReader((self.out / name).read_text("utf-8-sig").splitlines()))


class Page(HTMLParser):
    """Tables of a page: rows of (text, value in the CSV file), by the file that they name."""

    def __init__(self, html):
        super().__init__()
        self.tables, self.texts, self.tags = [], [], []
        self._cell = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        facts = dict(attrs)
        if tag == "table":
            self.tables.append((facts.get("data-csv-file"), []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            self._cell = [[], facts.get("data-csv")]

    def handle_data(self, data):
        self.texts.append(data)
        if self._cell is not None:
            self._cell[0].append(data)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1][1][-1].append(("".join(self._cell[0]).strip(), self._cell[1]))
            self._cell = None

    def of(self, name):
        """Headings and rows of each table of a CSV file."""
        return [(rows[0], rows[1:]) for file, rows in self.tables if file == name]
