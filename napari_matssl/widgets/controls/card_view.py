"""The card of a model in plain words."""

from datetime import datetime
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_matssl.labels.held_out import HeldOut
from napari_matssl.learn.card import ModelCard
from napari_matssl.widgets.controls.forms import note

_TOOLTIPS = {
    "Note": "A note on this model; change it under Manage",
    "Classes": "The classes of its masks",
    "Pixel size": "Of the images it was trained on; calibrated images of others are resampled",
    "Score": "Mean intersection over union (mIoU) on validation images, held out of training: "
    "1 is perfect",
    "Held out": "Share of labelled pixels that are found right in images that it hasn't learnt "
    "from, mean of the classes. What is mistaken there corrects the area fractions in Measure",
    "Payoff": "What the last painted image gained, by the instant classifier on images left out in "
    "turn, with the 95 % confidence interval over these",
    "Training loss": "At the end of training; no measure for other images",
    "Trained on": "Number of training images, and the share of them that was painted",
    "Unbroken": "Classes that ran through all painted images in unbroken strata. In masks, "
    "detached components and holes take the class around them, if at least two images showed it",
    "Created": "When training ended, in local time",
    "Encoder": "The network that turns an image into feature maps",
    "Start weights": "Where the encoder's weights came from before this training",
}


class CardView(QWidget):
    """A small grid: classes, pixel size, score and origin of a model."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # With napari's padding, eight short rows would push the buttons below them out of sight.
        self.setStyleSheet("QLabel { padding: 0px }")
        self._form = QFormLayout(self)
        self._form.setContentsMargins(6, 0, 0, 0)  # aligned with padded labels
        self._form.setVerticalSpacing(3)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._rows = {name: note() for name in _TOOLTIPS}
        for name, value in self._rows.items():
            value.setTextFormat(Qt.TextFormat.RichText)
            self._form.addRow(name, value)
            label = self._form.labelForField(value)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
            label.setToolTip(_TOOLTIPS[name])

    def show_card(self, card: ModelCard, noted: str = "") -> None:
        """Show a card and the note on its model; rows that don't apply are hidden."""
        texts = card_in_words(card) | ({"Note": escape(noted)} if noted else {})
        for name, value in self._rows.items():
            value.setText(texts.get(name, ""))
            value.setVisible(name in texts)
            self._form.labelForField(value).setVisible(name in texts)
        names = [image.name for image in card.training_images]
        lines = names[:20] + ([f"and {len(names) - 20} more"] if len(names) > 20 else [])
        self._rows["Trained on"].setToolTip("\n".join(lines))


def card_in_words(card: ModelCard) -> dict[str, str]:
    """Describe a card, as short rich texts by the names of the rows."""
    texts = {}
    texts["Classes"] = " &nbsp; ".join(
        f'<span style="color:{c.colour}">■</span>&nbsp;'
        + escape(c.name).replace(" ", "&nbsp;")
        + ("&nbsp;(excluded)" if c.exclude else "")
        for c in card.classes.classes
    )
    size = card.pixel_size_um
    texts["Pixel size"] = "not calibrated" if size is None else f"{size:.4g} µm/px"
    miou = card.metrics.get("val_miou")
    texts["Score"] = "no validation images" if miou is None else f"mIoU {miou:.3f}"
    if card.held_out is not None:
        texts["Held out"] = escape(_held_out(card.held_out))
    if card.payoff is not None:
        texts["Payoff"] = escape(card.payoff.in_words())
    if "loss" in card.metrics:
        texts["Training loss"] = f"{card.metrics['loss']:.3g}"
    count = len(card.training_images)
    texts["Trained on"] = f"{count} image{'' if count == 1 else 's'}{_painted(card)}"
    if names := card.unbroken_classes("merge"):
        few = "" if card.unbroken_classes("auto") else " (one image)"
        texts["Unbroken"] = ", ".join(map(escape, names)) + few
    texts["Created"] = local_time(card.created)
    texts["Encoder"] = escape(card.encoder)
    texts["Start weights"] = escape(card.start)
    return texts


def _held_out(held_out: HeldOut) -> str:
    """Describe the held-out images and how many of their pixels are right."""
    stand_in = ", by the instant classifier" if held_out.stand_in else ""
    who = f"{held_out.in_words()}{stand_in}"
    return ": ".join(filter(None, (who, held_out.right_in_words())))


def _painted(card: ModelCard) -> str:
    """Describe the painted share of the images, which decides how masks are made."""
    if card.painted_share is None:
        return ""
    if card.densely_painted:
        return ", painted all over" if card.painted_share > 0.995 else ", nearly all painted"
    return f", {100 * card.painted_share:.2g} % painted"


def local_time(created: str) -> str:
    """Write the time of a card in local time; as it stands if it is no time in ISO form."""
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return created
