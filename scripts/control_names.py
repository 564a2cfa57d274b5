"""Compare the controls that the documentation names in bold with those that the window has.

    QT_QPA_PLATFORM=offscreen .venv/bin/python scripts/control_names.py

Bold is for words on the screen. Sentences and headings within a paragraph end in ".", "?" or ":"
and aren't looked at; other emphasis and other programs' words are italic. Menus are written as
**File > Open**.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_CODE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_BOLD = re.compile(r"\*\*((?:(?!\n\s*\n)[^*])+)\*\*")


@dataclass(frozen=True)
class Named:
    """A control that a page names."""

    page: str
    line: int
    name: str

    def __str__(self) -> str:
        return f'{self.page}:{self.line}: no control is called "{self.name}"'


def named_in(page: str, text: str) -> Iterator[Named]:
    """Find the controls that a page names.

    Parameters
    ----------
    page
        Its name, for the report.
    text
        In Markdown.
    """
    text = _CODE.sub(lambda code: "\n" * code[0].count("\n"), text)
    for bold in _BOLD.finditer(text):
        words = " ".join(bold[1].split())
        if words.endswith((".", "?", ":")) and not words.endswith("..."):
            continue  # a sentence, or a heading within a paragraph
        line = text.count("\n", 0, bold.start()) + 1
        yield from (Named(page, line, name) for name in words.split(" > "))


def unknown(pages: list[Path], there: set[str]) -> list[Named]:
    """List what pages name and the window doesn't have.

    Parameters
    ----------
    pages
        Files in Markdown.
    there
        Texts of the controls.
    """
    found = (one for page in pages for one in named_in(page.name, page.read_text("utf-8")))
    return [one for one in found if not any(fits(one.name, text) for text in there)]


def fits(name: str, text: str) -> bool:
    """Whether a name is a control's text, which may have ``{}`` where a file's name stands."""
    pattern = ".+".join(re.escape(part) for part in text.split("{}"))
    return re.fullmatch(pattern, name) is not None


def names_of(widgets) -> set[str]:
    """Collect the texts of what is in windows and panels, without shortcuts and units behind them.

    Parameters
    ----------
    widgets
        Windows, panels or dialogs.
    """
    texts = {text for widget in widgets for text in _texts(widget)}
    plain = {" ".join(re.sub(r"^[▸▾] |&", "", text).split()).rstrip(":") for text in texts}
    return {one for text in plain for one in (text, re.sub(r" \([^)]*\)$", "", text))} - {""}


def _texts(top) -> Iterator[str]:
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import (
        QAbstractButton,
        QAction,
        QComboBox,
        QDockWidget,
        QGroupBox,
        QLabel,
        QTableView,
        QTabWidget,
        QTreeView,
    )

    for kind in (QAbstractButton, QAction, QLabel):
        yield from (one.text() for one in top.findChildren(kind))
    yield from (one.title() for one in top.findChildren(QGroupBox))
    yield from (one.windowTitle() for one in top.findChildren(QDockWidget))
    for combo in top.findChildren(QComboBox):
        yield from (combo.itemText(row) for row in range(combo.count()))
    for tabs in top.findChildren(QTabWidget):
        yield from (tabs.tabText(place) for place in range(tabs.count()))
    for view in top.findChildren(QTableView) + top.findChildren(QTreeView):
        columns = range(view.model().columnCount()) if view.model() is not None else ()
        titles = (view.model().headerData(at, Qt.Orientation.Horizontal) for at in columns)
        yield from (title for title in titles if isinstance(title, str))


def names_by_state() -> set[str]:
    """Collect what stands in the window only with certain images, models or results."""
    from napari_matssl.samples import class_table
    from napari_matssl.samples.to_paint import MATERIAL
    from napari_matssl.widgets.canvas import shown
    from napari_matssl.widgets.controls import count_view, image_rows, import_tables, start_picker
    from napari_matssl.widgets.panels import pretrain_panel, result_editor

    states = {image_rows.EXCLUDED, image_rows.OLD, image_rows.WRONG_SCALE}
    states |= {image_rows.DOUBTFUL, image_rows.UNSURE}
    layers = {shown.PAINTED, shown.SEGMENTATION, shown.PREVIEW}
    classes = {one.name for one in class_table(MATERIAL).classes}
    columns = {title.split("\n")[0] for title, _tip in count_view.COLUMNS}
    buttons = {pretrain_panel.GO_ON, result_editor.DRAW, result_editor.COPY}
    choices = {start_picker.FROM_MODEL, import_tables.LEAVE_OUT}
    return states | layers | classes | columns | buttons | choices


def names_in_napari_menus() -> set[str]:
    """Collect the entries that the manifest adds to menus, which are made when they are opened."""
    from npe2 import PluginManifest

    shown = PluginManifest.from_file(ROOT / "napari_matssl" / "napari.yaml").contributions
    entries = {one.command for menu in shown.menus.values() for one in menu}
    return {one.title for one in shown.commands if one.id in entries}


def names_of_preferences() -> set[str]:
    """Collect the texts of napari's preferences, those of its pages included."""
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog
    from qtpy.QtWidgets import QListWidget

    dialog = PreferencesDialog()
    pages = dialog.findChild(QListWidget)
    titles = {pages.item(row).text() for row in range(pages.count())}
    return names_of([dialog]) | titles | {dialog.windowTitle()}


def all_names(viewer) -> set[str]:
    """Collect the texts of a window with all panels, and of the dialogs that they open.

    Parameters
    ----------
    viewer
        napari's viewer, with the dock of all panels.
    """
    from qtpy.QtWidgets import QMenu
    from superqt import QCollapsible

    from napari_matssl.settings.report_details import ReportDetails
    from napari_matssl.widgets.controls.import_dialog import ImportDialog
    from napari_matssl.widgets.controls.measure_tabs import MeasureTabs
    from napari_matssl.widgets.controls.report_dialog import ReportDialog
    from napari_matssl.widgets.napari_private import main_window
    from napari_matssl.widgets.panels.importing_labels import add_import_menu
    from napari_matssl.widgets.panels.labels_for_others import add_export_menu
    from napari_matssl.widgets.session import session_of

    window = main_window(viewer)
    for part in window.findChildren(QCollapsible):
        part.expand(animate=False)  # many are made when they are opened
    menu = QMenu()  # of the list of images, as far as it is there without a folder
    add_import_menu(menu, session_of(viewer), window)
    add_export_menu(menu, session_of(viewer), window)
    others = [menu, ReportDialog(ReportDetails()), MeasureTabs(), ImportDialog(())]
    dialogs = names_of(others) | names_of_preferences()
    return names_of([window]) | dialogs | names_by_state() | names_in_napari_menus()


def main() -> None:
    """Open the window without an image, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        # napari's own settings, not the user's; read when napari is imported.
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        import napari

        from napari_matssl.widgets.reader import SHELL_NAME
        from napari_matssl.widgets.shell import MatSSLWidget

        viewer = napari.Viewer()  # without an image it needs no OpenGL
        viewer.window.add_dock_widget(MatSSLWidget(viewer), name=SHELL_NAME)
        wrong = unknown(PAGES, all_names(viewer))
        viewer.close()
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
