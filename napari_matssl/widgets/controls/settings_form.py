"""A form for the settings of a job, built from their fields: bounds, help texts, presets."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.errors import MatSSLError
from napari_matssl.settings import Settings
from napari_matssl.settings.draft import Draft
from napari_matssl.settings.fields import about, group_of, title_of
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.field_editor import FieldEditor
from napari_matssl.widgets.controls.forms import button
from napari_matssl.widgets.controls.late_collapsible import LateCollapsible

Kind = TypeVar("Kind", bound=Settings)


class SettingsForm(QWidget, Generic[Kind]):
    """A form for one settings class: the main fields, the rest behind "More settings".

    It makes the settings that the command line makes of the same wishes: both leave it to
    :class:`~napari_matssl.settings.draft.Draft` what a change brings with it.

    Parameters
    ----------
    kind
        The settings class.
    main
        Fields that are always in sight, in this order.
    hidden
        Fields that the form keeps but doesn't show. "Defaults" leaves them alone.
    defaults
        Values that take the place of the fields' own defaults.
    """

    changed = Signal()

    def __init__(
        self,
        kind: type[Kind],
        main: Sequence[str],
        hidden: Sequence[str] = (),
        defaults: Mapping[str, Any] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._kind = kind
        self._hidden = frozenset(hidden)
        self._defaults = dict(defaults or {})
        self._draft = kind.draft(self._defaults)
        self._editors: dict[tuple[str, ...], FieldEditor] = {}
        self._rows: dict[str, tuple[QWidget, ...]] = {}
        self._only: frozenset[str] | None = None
        self._rest = [n for n in kind.model_fields if n not in {*main, *hidden}]

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        top = self._fields(kind, main)
        self._top, self._above = top.layout(), 0
        layout.addWidget(top)
        self._problem = QLabel()
        self._problem.setWordWrap(True)
        self._problem.setTextFormat(Qt.TextFormat.PlainText)
        self._problem.setVisible(False)
        layout.addWidget(self._problem)
        if self._rest:
            self.more = LateCollapsible("More settings", self._build_rest)
            self.more.toggleButton().setToolTip("Show or hide the settings that are seldom changed")
            layout.addWidget(self.more)

    def add_above(self, title: str, field: QWidget) -> None:
        """Put a field of the owner's above the settings, below those that were put there before."""
        self._top.insertRow(self._above, title, field)
        self._above += 1

    def show_only(self, names: Collection[str]) -> None:
        """Show the rows of some fields alone; the others keep their values."""
        self._only = frozenset(names)
        for name, widgets in self._rows.items():
            for widget in widgets:
                widget.setVisible(name in self._only)

    def settings(self) -> Kind:
        """Return the values of the form.

        Raises
        ------
        SettingsError
            If values contradict each other.
        """
        return self._kind.check(self._draft.values, name_of=self._title)

    def set_settings(self, settings: Kind) -> None:
        """Show other settings, hidden fields included."""
        self._take(self._kind.draft(settings.model_dump()))

    def set_value(self, field: str, value: Any) -> None:
        """Set one value, as the user would.

        Raises
        ------
        KeyError
            If there is no such field.
        SettingsError
            If the value is out of the field's bounds.
        """
        if field not in self._kind.model_fields:
            raise KeyError(field)
        plain = value.model_dump() if isinstance(value, Settings) else value
        self._kind.check_field(field, plain, self._title)
        self._give((field,), plain)

    def save(self, path: Path) -> None:
        """Write the settings as JSON.

        Raises
        ------
        SettingsError, OutputError
            If values contradict each other, or the file can't be written.
        """
        self.settings().write(path)

    def load(self, path: Path) -> None:
        """Show the settings of a JSON file; fields it doesn't name get their defaults.

        Raises
        ------
        SettingsError
            If the file is unreadable or holds anything else.
        """
        self.set_settings(self._kind.make(file=path))

    def _title(self, path: Sequence[str]) -> str:
        return title_of(self._kind, path)

    # --- what the user does

    def _give(self, path: tuple[str, ...], value: Any, editor: "FieldEditor | None" = None) -> None:
        change = {path[0]: value} if len(path) == 1 else {path[0]: {path[1]: value}}
        self._take(self._draft.change(change), editor)

    def _take(self, draft: Draft[Kind], source: "FieldEditor | None" = None) -> None:
        """Make these the form's values; `source` shows them already."""
        before, self._draft = self._draft.values, draft
        for path, editor in self._editors.items():
            if editor is not source and _at(before, path) != _at(draft.values, path):
                editor.show_value(_at(draft.values, path))
        if draft.values != before:
            self._try(self.settings)
            self.changed.emit()

    def _try(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Do something; show in a line why it can't be done."""
        try:
            action(*arguments)
        except MatSSLError as error:
            self._problem.setText(explain(error))
            self._problem.setVisible(True)
        else:
            self._problem.setVisible(False)

    def _save_asked(self) -> None:
        dialog = QFileDialog(self, "Save settings", "settings.json", "Settings (*.json)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        if dialog.exec():
            self._try(self.save, Path(dialog.selectedFiles()[0]))

    def _load_asked(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Load settings", "", "Settings (*.json)")
        if name:
            self._try(self.load, Path(name))

    def _reset(self) -> None:
        kept = {name: self._draft.values[name] for name in self._hidden}
        self._take(self._kind.draft({**self._defaults, **kept}))

    # --- how it is built

    def _fields(self, kind: type[BaseModel], names: Sequence[str], *above: str) -> QWidget:
        box = QWidget()
        form = QFormLayout(box)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name in names:
            field = kind.model_fields[name]
            title = title_of(kind, [name])
            group = group_of(field)
            if group is not None:
                box_of_group = QGroupBox(title)
                inner = QVBoxLayout(box_of_group)
                inner.addWidget(self._fields(group, [*group.model_fields], name))
                form.addRow(box_of_group)
                self._rows[name] = (box_of_group,)
                continue
            path = (*above, name)
            editor = FieldEditor(field, self._cases(path))
            editor.show_value(_at(self._draft.values, path))
            editor.changed.connect(lambda value, p=path, e=editor: self._give(p, value, e))
            editor.control.setAccessibleName(title)
            self._editors[path] = editor
            form.addRow(title, editor)
            form.labelForField(editor).setToolTip(editor.toolTip())
            if not above:
                self._rows[name] = (editor, form.labelForField(editor))
        if self._only is not None and not above:
            self.show_only(self._only)
        return box

    def _cases(self, path: tuple[str, ...]) -> dict[str, Any]:
        """Return the values of a field that take the default's place, by preset and so on."""
        cases = about(self._kind.model_fields[path[0]], "when")
        if len(path) == 1:
            return cases
        return {case: values[path[1]] for case, values in cases.items() if path[1] in values}

    def _build_rest(self) -> None:
        self.more.addWidget(self._fields(self._kind, self._rest))
        buttons = QWidget()
        grid = QGridLayout(buttons)
        grid.setContentsMargins(0, 0, 0, 0)
        for text, tooltip, wish, *cell in (
            ("Save settings...", "Write all settings to a JSON file", self._save_asked, 0, 0),
            ("Load settings...", "Take all settings from a JSON file", self._load_asked, 0, 1),
            ("Defaults", "Bring all fields back to their defaults", self._reset, 1, 0, 1, 2),
        ):
            grid.addWidget(button(text, tooltip, wish), *cell)
        self.more.addWidget(buttons)


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """Return the value of a field, or of a field of a field."""
    return values[path[0]] if len(path) == 1 else _at(values[path[0]], path[1:])
