"""The single objects, grains, columns or particles of the image that is shown."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_matssl.measure.intercept_items import Figure
from napari_matssl.measure.items import FieldItems
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import keep_narrow, note, say, side_by_side
from napari_matssl.widgets.controls.frame_view import FrameView

ITEMS = {
    "objects": ("object", "objects"),
    "grains": ("grain", "grains"),
    "layers": ("column", "columns"),
    "nodules": ("particle", "particles"),
}
"""What the items of a measure are called: one, several."""

FIGURES: dict[Figure, tuple[str, str]] = {
    "lines": ("intercept of the lines", "intercepts of the lines"),
    "circles": ("intercept of the circles", "intercepts of the circles"),
}
"""What the intercepts of a test figure are called: one, several."""

INTERCEPT_COLOURS = {0: "#0072b270", 1: "#d55e00", 2: "#009e73", 3: "#e69f00", 4: "#cc79a7"}
"""Colours of what intercepts count as, by kind; of test lines at 0."""

KIND_COLOURS = {
    "objects": {1: "#999999", 2: "#009e73"},
    "grains": {1: "#009e73", 2: "#e69f00", 3: "#cc79a7"},
    "layers": {1: "#009e73"},
    "nodules": {1: "#009e73", 2: "#d55e00", 3: "#999999", 4: "#56b4e9"},
}
"""Colours of what items count as, by measure and kind."""


class ItemsView(QWidget):
    """A tick to show items in the image, and a table of them.

    Parameters
    ----------
    measure
        Which measure they are of.
    """

    wanted_changed = Signal()
    """Items of another class are wanted, or are to be shown in the image, or not any more."""
    chosen = Signal(int)
    """The user has chosen an item: its row."""

    def __init__(self, measure: str) -> None:
        super().__init__()
        self.measure = measure
        one, several = ITEMS[measure]
        self.tick = QCheckBox("Show in the image")
        self.tick.setToolTip(
            f"Add a layer with the {several}, coloured by what they count as. It is never "
            "saved. A click on the image then selects the row of what was clicked."
        )
        self.tick.toggled.connect(self.wanted_changed)
        self.of_class = QComboBox()
        self.of_class.setToolTip(f"Class whose {several} are listed.")
        self.of_class.setAccessibleName("Class")
        keep_narrow(self.of_class, 8)
        WheelGuard(self.of_class)
        self.of_class.currentIndexChanged.connect(self.wanted_changed)
        self.of_figure = QComboBox()
        self.of_figure.setToolTip("List grains, or the intercepts of one of both test figures.")
        self.of_figure.setAccessibleName("Grains or intercepts")
        self.of_figure.addItem(several.capitalize(), None)
        for figure, (_, words) in FIGURES.items():
            self.of_figure.addItem(words.capitalize(), figure)
        keep_narrow(self.of_figure, 8)
        WheelGuard(self.of_figure)
        self.of_figure.currentIndexChanged.connect(self.wanted_changed)
        self.state = note("", f"The {several} of the image that is shown.")
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setToolTip("Colours of the layer.")
        self.table = FrameView(
            f"Click a row, or use the arrow keys: its {one} is marked in the image.",
            follow_arrows=True,
        )
        self.table.chosen.connect(self.chosen)
        self.listed: FieldItems | None = None
        """The items that are listed."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(side_by_side(self.tick, self.of_class, stretch=1))
        if measure == "grains":
            layout.addWidget(self.of_figure)
        layout.addWidget(self.state)
        layout.addWidget(self.legend)
        layout.addWidget(self.table, 100)
        layout.addStretch(1)  # takes the room while there is no table
        self.set_classes(())
        self.clear("")

    @property
    def class_name(self) -> str:
        """The class whose items are wanted; empty: chosen by its name."""
        return self.of_class.currentData() or ""

    @property
    def figure(self) -> Figure | None:
        """The test figure whose intercepts are wanted; None for the items of the measure."""
        chosen: Figure | None = self.of_figure.currentData()
        return chosen

    @property
    def nouns(self) -> tuple[str, str]:
        """What the items are called that are wanted: one, several."""
        return ITEMS[self.measure] if self.figure is None else FIGURES[self.figure]

    @property
    def colours(self) -> Mapping[int, str]:
        """Colours of what the items count as, by kind."""
        return KIND_COLOURS[self.measure] if self.figure is None else INTERCEPT_COLOURS

    def set_classes(self, names: Sequence[str]) -> None:
        """Offer some classes; none leaves the choice to the measure."""
        before = self.class_name
        self.of_class.setVisible(len(names) > 1)
        if [self.of_class.itemData(i) for i in range(self.of_class.count())] == list(names):
            return
        with signals_blocked(self.of_class):
            self.of_class.clear()
            for name in names:
                self.of_class.addItem(name, name)
            self.of_class.setCurrentIndex(max(self.of_class.findData(before), 0))

    def clear(self, why: str) -> None:
        """Show no items, and why."""
        self.listed = None
        say(self.state, why)
        self.legend.hide()
        self.table.hide()

    def show_items(
        self, image: str, items: FieldItems, calibrated: bool, drawn: int | None = None
    ) -> None:
        """List the items of an image.

        Parameters
        ----------
        calibrated
            Whether the image has a pixel size.
        drawn
            Of how many columns one is drawn; None if all are.
        """
        known = self.listed is not None and items.table.equals(self.listed.table)
        self.listed = items
        count = len(items.table)
        noun = self.nouns[count != 1]
        link = "of" if self.figure is None else "with"
        of = f" {link} {self.class_name}" if self.class_name else ""
        lines = [f"{image}: {count:,} {noun}{of}.", *items.remarks]
        if not calibrated:
            lines.append("No pixel size: columns in µm are blank. Set it in Micrographs.")
        if drawn is not None:
            lines.append(f"One of {drawn} columns is drawn.")
        say(self.state, "\n".join(lines))
        self._show_legend(items.words, items.kinds_of_rows)
        if not known:  # else what is selected stays so
            self.table.show_frame(items.table)
        self.table.setVisible(count > 0)

    def _show_legend(self, words: Mapping[int, str], kinds: NDArray[np.uint8]) -> None:
        colours = self.colours
        counts = np.bincount(kinds, minlength=max(words, default=0) + 1)
        parts = [
            f'<span style="color:{colours[kind]}">■</span>'
            + html.escape(f" {text} ({counts[kind]})").replace(" ", "&nbsp;")
            for kind, text in words.items()
            if counts[kind]
        ]
        self.legend.setText("&ensp; ".join(parts))
        self.legend.setVisible(bool(parts))
