"""Labels that were painted elsewhere."""

import numpy as np
import pytest
from desk import SIZE, docked, said, write_folder
from qtpy.QtWidgets import QInputDialog


@pytest.fixture
def panel(make_napari_viewer, tmp_path):
    panel = docked(make_napari_viewer())
    assert panel.session.folder.open([write_folder(tmp_path / "steel")])
    return panel


def labels(panel, data=None, **changes):
    """Add a labels layer of the user's own on the grid of the shown image, and select it."""
    viewer = panel.session.viewer
    if data is None:
        data = np.zeros(SIZE, np.int64)
        data[10:20, 10:20] = 2
    grid = {"scale": (0.25, 0.25), "units": ("um", "um"), "name": "mine", **changes}
    layer = viewer.add_labels(data, **grid)
    viewer.layers.selection = {layer}
    return layer


def test_labels_of_the_same_grid_are_taken_over_and_undone_in_one_step(panel):
    painted = panel.session.current.shown.painted
    painted.paint((80, 80), 1)
    labels(panel)
    panel.take.click()
    assert (painted.data[10:20, 10:20] == 2).all()
    assert painted.data[80, 80] == 1
    painted.undo()
    assert not painted.data[10:20, 10:20].any()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": np.zeros((50, 60), int)}, "60 x 50 pixels against 128 x 96"),
        ({"scale": (1, 1)}, "scale is 1 against 0.25"),
        ({"translate": (3, 0)}, "shift"),
        ({"units": ("pixel", "pixel")}, "units are"),
        ({"data": np.zeros((2, *SIZE), int), "scale": (1,) * 3, "units": ("um",) * 3}, "stack"),
        ({"data": np.eye(*SIZE, dtype=int) * 250 + 5}, "no class: 5"),
        ({"data": np.eye(*SIZE, dtype=int) * 254 + 1}, "no class: 255"),
    ],
)
def test_labels_of_another_grid_or_other_classes_are_refused_with_the_reason(
    panel, changes, reason
):
    problems = said(panel)
    labels(panel, **changes)
    panel.take.click()
    assert len(problems) == 1
    assert reason in problems[0]
    assert not panel.session.current.shown.painted.data.any()


def test_without_a_layer_of_the_users_own_the_button_says_what_to_do(panel):
    problems = said(panel)
    panel.take.click()  # the painted labels themselves are selected
    assert "Select the one to take over" in problems[0]
    assert panel.session.folder.close()
    assert not panel.take.isEnabled()
    assert panel.take.toolTip() == "No image is shown."


@pytest.mark.parametrize("value", [255, 7])
@pytest.mark.parametrize(("answer", "ids"), [("phase 2", 2), ("(a new class)", 3)])
def test_of_a_mask_of_two_values_the_class_is_asked_for(panel, monkeypatch, value, answer, ids):
    asked, problems = [], said(panel)

    def choose(_parent, _title, question, names, *_, **__):
        asked.append((question, names))
        return answer, True

    monkeypatch.setattr(QInputDialog, "getItem", choose)
    data = np.zeros(SIZE, np.int64)
    data[10:20, 10:20] = value
    labels(panel, data)
    panel.take.click()
    ((question, names),) = asked
    assert f'"mine" holds {value} on 100 px, and 0, which counts as unpainted' in question
    assert names == ["phase 1", "phase 2", "(a new class)"]
    painted = panel.session.current.shown.painted
    assert np.array_equal(painted.data, np.where(data == value, ids, 0))
    assert ids in panel.session.folder.project.classes.table.ids
    assert problems == []
    painted.undo()
    assert not painted.data.any()


def test_a_mask_of_a_class_without_a_name_is_not_taken(panel, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getItem", lambda *_, **__: ("phase 1", False))
    labels(panel, np.where(np.eye(*SIZE) > 0, 255, 0))
    panel.take.click()
    assert not panel.session.current.shown.painted.data.any()
    assert len(panel.session.folder.project.classes.in_order) == 2
