"""What the panel Fine-tune shows of the gain of painting more images."""

import subprocess
import sys

import numpy as np
import pytest
from acting import User, painted_folder, tiny
from qtpy.QtWidgets import QLabel

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.payoff import Payoff, PayoffPoint
from napari_matssl.learn.card import ModelCard, TrainingImage
from napari_matssl.learn.card_files import read_card
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.widgets.controls.card_view import card_in_words
from napari_matssl.widgets.controls.payoff_view import PayoffView

SCORES = ((1, 55.0, 3.0), (4, 73.0, 2.0), (6, 98.0, 3.5), (7, 99.0, 2.9))
PAYOFF = Payoff(
    painted=8,
    left_out=8,
    points=tuple(PayoffPoint(images=n, score=score, error=e) for n, score, e in SCORES),
    gain=3.0,
    gain_error=0.5,
)


def card(payoff, painted=8):
    images = tuple(TrainingImage(name=f"{n}.png", sha256="0") for n in range(painted))
    return ModelCard(
        encoder="e",
        channels="grey",
        classes=numbered_table([1, 2]),
        intensity_scaling=IntensityScalingSettings(),
        training_images=images,
        payoff=payoff,
    )


@pytest.fixture
def view(qtbot):
    made = PayoffView()
    qtbot.addWidget(made)
    made.resize(330, 240)
    made.show()
    return made


def words(view):
    return " ".join(label.text() for label in view.findChildren(QLabel) if label.isVisible())


def test_sentence_and_plot_show_what_was_measured(view, qtbot):
    from pyqtgraph import ErrorBarItem, PlotDataItem

    view.show_card(card(PAYOFF))
    assert view.words.text() == PAYOFF.in_words()
    assert "standard error over 8 left-out images" in words(view)
    items = view.plot.plot.plotItem.items
    (curve,) = [one for one in items if isinstance(one, PlotDataItem)]
    x, y = curve.getOriginalDataset()
    assert list(zip(x.tolist(), y.tolist(), strict=True)) == [(n, s) for n, s, _ in SCORES]
    (bars,) = [one for one in items if isinstance(one, ErrorBarItem)]
    np.testing.assert_allclose(bars.opts["bottom"], [3, 2, 3.5, 2.9])
    np.testing.assert_allclose(bars.opts["top"], [3, 2, 2, 1], err_msg="none above 100 %")
    low, high = view.plot.plot.plotItem.viewRange()[1]
    assert low < 52
    assert high >= 100


def test_one_image_has_a_sentence_alone_and_none_has_nothing(view):
    view.show_card(card(PAYOFF))
    view.show_card(card(None, painted=1))
    assert words(view).startswith("One image is painted: ")
    assert not view.plot.isVisible()
    view.show_card(card(None, painted=8))
    assert not view.isVisible()


def test_no_plot_is_drawn_before_there_is_one():
    """It would import pyqtgraph, which a folder that is only looked at needn't wait for."""
    code = (
        "import sys; from qtpy.QtWidgets import QApplication; app = QApplication([]);"
        "from napari_matssl.widgets.controls.payoff_view import PayoffView; PayoffView();"
        "print('pyqtgraph' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert found.stdout.split()[-1] == "False"


def test_the_card_of_a_model_shows_the_sentence_again():
    assert card_in_words(card(PAYOFF))["Payoff"] == PAYOFF.in_words()
    assert "Payoff" not in card_in_words(card(None))


def test_a_run_shows_its_payoff_and_the_next_one_begins_without(
    make_napari_viewer, qtbot, monkeypatch, tmp_path, two_phases
):
    user = User(make_napari_viewer, qtbot, monkeypatch)
    user.open(painted_folder(tmp_path / "steel", two_phases))
    tiny(user)
    panel = user.finetune
    panel.validation.setValue(0)
    user.look_at("Fine-tune")
    user.run(panel.start)
    assert not user.error
    (model,) = user.project.models.files()
    payoff = read_card(model).payoff
    assert [one.images for one in payoff.points] == [1, 2]
    assert panel.payoff.words.text() == payoff.in_words()
    assert panel.payoff.plot.payoff == payoff
    assert panel.payoff.minimumSizeHint().width() <= 350
    user.begin(panel.start)
    assert panel.payoff.isHidden()
    user.wait()
    user.open(painted_folder(tmp_path / "other", two_phases))
    assert panel.payoff.isHidden()
