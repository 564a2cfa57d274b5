"""The question before a class goes: what becomes of its strokes and of the masks that have it."""

from collections.abc import Mapping, Sequence

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.widgets.controls.class_model import swatch
from napari_matssl.widgets.controls.forms import note

_WIDTH = 440  # width of the dialog, px: lines of about ten words


class ClassRemoval(QDialog):
    """Merge a class into another, or delete it with its strokes and masks.

    Parameters
    ----------
    gone
        The class.
    others
        The classes that stay, at least one.
    painted
        Painted pixels of the class by image.
    masks
        Share of the class in the masks that have it, 0 to 1, by image.
    """

    def __init__(
        self,
        gone: LabelClass,
        others: Sequence[LabelClass],
        painted: Mapping[str, int],
        masks: Mapping[str, float],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Delete a class")
        self.setFixedWidth(_WIDTH)
        self._others = tuple(others)
        self.use = note(f'"{gone.name}": {_use_in_words(painted, masks)}')
        self.merge = QRadioButton("Merge it into")
        self.merge.setToolTip("All its pixels become that class's, in painted labels and masks.")
        self.target = QComboBox()
        self.target.setToolTip("The class that gets the pixels.")
        for one in others:
            self.target.addItem(swatch(one.colour), one.name)
        self.delete = QRadioButton(_deleting_in_words(painted, masks))
        self.delete.setToolTip(
            "Without the class, the masks would not cover all that was analysed."
        )
        self.delete.setChecked(True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = self.buttons.addButton(
            "Delete", QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.accept_button.setAutoDefault(False)
        self.buttons.button(QDialogButtonBox.StandardButton.Cancel).setDefault(True)
        self._lay_out()
        self.merge.toggled.connect(self._on_choice)
        self.target.activated.connect(lambda _row: self.merge.setChecked(True))
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)

    @property
    def into(self) -> int | None:
        """Id of the class to merge into; None: delete."""
        if not self.merge.isChecked():
            return None
        return self._others[self.target.currentIndex()].id

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.merge)
        row.addWidget(self.target, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(self.use)
        layout.addLayout(row)
        layout.addWidget(self.delete)
        layout.addWidget(
            note("Neither can be undone. A model that has learnt the class adds it again.")
        )
        layout.addWidget(self.buttons)

    def _on_choice(self, merging: bool) -> None:
        self.accept_button.setText("Merge" if merging else "Delete")


def _use_in_words(painted: Mapping[str, int], masks: Mapping[str, float]) -> str:
    """Describe a class's uses: ``1,234 painted pixels in 2 images; 0.9 % of the mask of a.tif``."""
    parts = []
    if painted:
        parts.append(f"{sum(painted.values()):,} painted pixels in {_images(len(painted))}")
    if len(masks) == 1:
        ((name, share),) = masks.items()
        parts.append(f"{_percent(share)} of the mask of {name}")
    elif masks:
        most = max(masks, key=lambda name: masks[name])
        mean = sum(masks.values()) / len(masks)
        parts.append(
            f"{_percent(mean)} of {len(masks)} masks on average, at most {_percent(masks[most])} "
            f"({most})"
        )
    return "; ".join(parts) + "."


def _deleting_in_words(painted: Mapping[str, int], masks: Mapping[str, float]) -> str:
    parts = ["its strokes become unpainted"] if painted else []
    if masks:
        them = "its mask is" if len(masks) == 1 else f"the {len(masks)} masks are"
        parts.append(f"{them} removed, to be segmented again")
    return "Delete it: " + ";\n".join(parts)


def _images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"


def _percent(share: float) -> str:
    return "below 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
