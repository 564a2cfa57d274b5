"""Parts of a panel that can be folded away."""

from qtpy.QtCore import QSize

from napari_matssl.widgets.controls.late_collapsible import LateCollapsible


def test_it_is_built_once_when_opened_and_its_arrow_is_text_alone(qtbot):
    built = []
    part = LateCollapsible("More settings", lambda: built.append(1))
    qtbot.addWidget(part)
    assert (part.toggleButton().text(), built) == ("▸ More settings", [])
    for _ in range(2):
        part.expand(animate=False)
        assert (part.toggleButton().text(), built) == ("▾ More settings", [1])
        assert part.toggleButton().iconSize() == QSize(0, 0), "superqt's icon would be seen"
        part.collapse(animate=False)
        assert part.toggleButton().text() == "▸ More settings"
        assert part.toggleButton().iconSize() == QSize(0, 0)
