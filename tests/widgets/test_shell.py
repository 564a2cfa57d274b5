"""The dock with all panels: light to open, in the order of work, one session for all."""

import pytest
from desk import NAMES, drop, in_own_process, write_folder
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QScrollBar,
    QWidget,
)

from napari_matssl.widgets.napari_private import main_window
from napari_matssl.widgets.shell import PANELS, JobDock, MatSSLWidget, micrographs_widget

OPENS = """
import sys
import napari
viewer = napari.Viewer()
from napari_matssl.widgets.napari_private import main_window
from napari_matssl.widgets.shell import MatSSLWidget
shell = MatSSLWidget(viewer)
viewer.window.add_dock_widget(shell, name="MatSSL")
print(*sys.modules)
"""


def test_the_shell_opens_without_torch():
    done = in_own_process(OPENS)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "napari_matssl" in loaded
    assert not loaded & {"torch", "torchvision", "timm", "pyqtgraph", "matplotlib.pyplot"}


@pytest.fixture
def shell(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    shell = MatSSLWidget(viewer)
    viewer.window.add_dock_widget(shell, name="MatSSL")
    return shell


def test_the_panels_stand_in_the_order_of_work_and_the_first_is_open(shell):
    assert list(shell.panels) == [
        "Micrographs",
        "Pretrain",
        "Fine-tune",
        "Segment",
        "Measure",
        "Point count",
        "Run recipe",
    ]
    assert [s.isExpanded() for s in shell.sections.values()] == [True] + 6 * [False]
    assert all(s.toggleButton().toolTip() for s in shell.sections.values())
    tops = [section.y() for section in shell.sections.values()]
    assert tops == sorted(tops)


def test_all_panels_share_one_session(shell):
    assert {id(panel.session) for panel in shell.panels.values()} == {id(shell.session)}


def test_a_dropped_folder_opens_in_all_panels(shell, tmp_path):
    folder = write_folder(tmp_path / "steel")
    drop(shell.panels["Micrographs"].table, folder)
    assert shell.session.folder.project.folder == folder
    assert shell.panels["Micrographs"].table.keys == NAMES


def test_a_panel_of_its_own_works_beside_the_shell(shell, tmp_path):
    dock = micrographs_widget()
    assert isinstance(dock, JobDock)
    shell.session.viewer.window.add_dock_widget(dock, name="Micrographs")
    shell.open_paths([write_folder(tmp_path / "steel")])
    assert dock.panel.table.keys == NAMES
    assert dock.panel.session is shell.session


@pytest.mark.parametrize("title", PANELS)
def test_a_dock_of_its_own_packs_its_controls_and_leaves_room_to_the_image(
    make_napari_viewer, qtbot, title
):
    viewer = make_napari_viewer(show=True)
    main_window(viewer).resize(1280, 1000)
    dock, inside = viewer.window.add_plugin_dock_widget("napari-matssl", title)
    qtbot.waitUntil(lambda: dock.height() > 700 and inside.panel.height() > 0)
    assert dock.width() <= 420
    panel = inside.panel
    assert panel.y() == 0
    assert panel.height() <= panel.layout().totalSizeHint().height() + 40  # lines that wrap


def test_each_panel_fits_the_narrow_dock(shell, qtbot):
    for title in PANELS:
        shell.sections[title].expand(animate=False)
    shell.panels["Micrographs"].explorer.expand(animate=False)
    qtbot.wait(50)
    for title, panel in shell.panels.items():
        assert panel.minimumSizeHint().width() <= 350, title


@pytest.mark.parametrize("title", ["Fine-tune", "Segment", "Measure", "Point count", "Run recipe"])
def test_an_opened_panel_comes_into_sight_and_the_one_before_folds(shell, qtbot, title):
    shell.sections["Pretrain"].toggleButton().click()
    shell.sections[title].toggleButton().click()
    opened = [name for name, section in shell.sections.items() if section.isExpanded()]
    assert opened == ["Micrographs", title]
    seen = shell._scroll.viewport()

    def is_in_sight():
        top = shell.sections[title].mapTo(seen, shell.sections[title].rect().topLeft()).y()
        return 0 <= top < seen.height() / 2

    qtbot.waitUntil(is_in_sight)


def turn_the_wheel(over: QWidget, by: int) -> None:
    middle = QPointF(over.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(over.mapToGlobal(over.rect().center())),
        QPoint(0, 0),
        QPoint(0, by),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(over, event)


def value_of(control: QWidget) -> object:
    if isinstance(control, QComboBox):
        return control.currentIndex()
    return control.value()


def test_whoever_scrolls_over_a_control_changes_nothing(shell, qtbot, tmp_path):
    """A slider that cleans masks, the first row of an info bar, the unit of a scale bar."""
    shell.open_paths([write_folder(tmp_path / "steel", bar=NAMES)])
    for section in shell.sections.values():
        section.expand(animate=False)
    qtbot.wait(50)
    controls = [
        control
        for kind in (QAbstractSlider, QAbstractSpinBox, QComboBox)
        for control in shell.findChildren(kind)
        if not isinstance(control, QScrollBar)
    ]
    assert len(controls) > 20
    shell.panels["Micrographs"].table.setFocus()
    changed = []
    for control in controls:
        control.setEnabled(True)
        for by in (240, -240):
            before = value_of(control)
            turn_the_wheel(control, by)
            if value_of(control) != before:
                changed.append(control.toolTip() or type(control).__name__)
    assert changed == []
