"""What further painted images gain: a sentence, and the score against their number."""

import numpy as np
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_matssl.labels.payoff import Payoff, payoff_in_words
from napari_matssl.learn.card import ModelCard
from napari_matssl.widgets.controls.forms import note, say
from napari_matssl.widgets.controls.measure_plots import COLOURS, MeasurePlot

_TIP = (
    "Each painted image was left out in turn (eight at most), and the instant classifier learnt "
    "from one, several or all of the others. Score: share of the painted pixels of the image left "
    "out that it finds right, mean of the classes and of the images. Strokes keep away from "
    "boundaries, so the score of whole images is lower. Bars: standard error over these images. "
    "They vary more than what one image more brings to each, which the sentence goes by."
)


class PayoffPlot(MeasurePlot):
    """Score by the number of images learnt from, with the standard error over those left out."""

    def __init__(self) -> None:
        super().__init__("pixels right (%)", "painted images learnt from", _TIP)
        self.payoff: Payoff | None = None

    def show_payoff(self, payoff: Payoff) -> None:
        """Show what was measured in a run."""
        self.payoff = payoff
        self.draw()

    def _draw(self, text: QColor) -> None:
        from pyqtgraph import ErrorBarItem, mkPen

        if self.payoff is None:
            return
        points = self.payoff.points
        x = np.array([float(one.images) for one in points])
        y = np.array([one.score for one in points])
        error = np.array([one.error for one in points])
        top = np.minimum(error, 100 - y)  # a share is never above 100 %
        self._add(ErrorBarItem(x=x, y=y, top=top, bottom=np.minimum(error, y), beam=0.15, pen=text))
        pen = mkPen(COLOURS[0], width=2)
        self.plot.plot(x, y, pen=pen, symbol="o", symbolSize=7, symbolBrush=COLOURS[0])
        self.plot.getAxis("bottom").setTicks([[(n, str(int(n))) for n in x]])
        self.plot.setXRange(x[0] - 0.5, x[-1] + 0.5, padding=0)
        low = max(0.0, float((y - error).min()) - 5)
        self.plot.setYRange(low, min(100.0, float((y + error).max()) + 5), padding=0.02)
        self.legend.setText(f"Bars: standard error over {self.payoff.left_out} left-out images.")


class PayoffView(QWidget):
    """The sentence of a model's card, and the plot; nothing where nothing was measured."""

    def __init__(self) -> None:
        super().__init__()
        self.words = note("", "Whether painting more images pays.")
        self.plot: PayoffPlot | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self.words)
        self.show_card(None)

    def show_card(self, card: ModelCard | None) -> None:
        """Show what a card holds; None clears it."""
        payoff = None if card is None else card.payoff
        painted = 0 if card is None else len(card.training_images)
        say(self.words, payoff_in_words(payoff, painted))
        if payoff is not None:
            if self.plot is None:  # the first one imports pyqtgraph
                self.plot = PayoffPlot()
                self._layout.addWidget(self.plot)
            self.plot.show_payoff(payoff)
        if self.plot is not None:
            self.plot.setVisible(payoff is not None)
        self.setVisible(bool(self.words.text()))
