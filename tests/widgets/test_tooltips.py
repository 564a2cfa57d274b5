"""Every control has a tooltip in plain words."""

from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QScrollBar,
    QTableView,
    QWidget,
)

from napari_matssl.widgets.controls.settings_form import SettingsForm
from napari_matssl.widgets.shell import MatSSLWidget

CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
)


def says_something(control: QWidget, top: QWidget) -> bool:
    """Whether it, or what it is a part of, has a tooltip: Qt shows the nearest."""
    while control is not top and control is not None:
        if control.toolTip():
            return True
        control = control.parentWidget()
    return False


def test_every_control_of_the_shell_has_a_tooltip(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    shell = MatSSLWidget(viewer)
    viewer.window.add_dock_widget(shell)
    for section in shell.sections.values():
        section.expand(animate=False)
    for form in shell.findChildren(SettingsForm):
        if hasattr(form, "more"):
            form.more.expand(animate=False)
    silent = [
        f"{type(control).__name__} {getattr(control, 'text', str)()!r}"
        for control in shell.findChildren(CONTROLS[0])
        + [c for kind in CONTROLS[1:] for c in shell.findChildren(kind)]
        if not isinstance(control, QScrollBar | QHeaderView)  # headers: one for each column
        and not isinstance(control.parentWidget(), QTableView)  # the corner of a table
        and not says_something(control, shell)
    ]
    assert len(shell.findChildren(QAbstractButton)) > 30
    assert not silent
