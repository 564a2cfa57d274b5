"""Drafts of settings: a change of one field and the fields that follow from it.

The command line makes one change of all options given, a form one per control.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from napari_matssl.settings.fields import about, group_of, may_be_none

Kind = TypeVar("Kind", bound=BaseModel)

_DECIDING = ("preset", "method", "architecture")


@dataclass(frozen=True)
class Draft(Generic[Kind]):
    """Values of all fields, not checked yet.

    Parameters
    ----------
    kind
        The settings class.
    values
        By field; groups of fields as dicts.
    explicit
        Fields that were set one by one.
    """

    kind: type[Kind]
    values: Mapping[str, Any]
    explicit: frozenset[str] = frozenset()

    def change(self, changes: Mapping[str, Any]) -> "Draft[Kind]":
        """Set values and those that follow from them.

        A preset sets all fields that it or the preset before it names, whatever
        they were, and leaves the rest. A method or an architecture sets those that were not
        set explicitly. A limit of a run that had none lifts the other, unless it was set
        explicitly. The word ``"none"`` is None where a field may be None; groups of fields may
        be given in part.
        """
        base = self if changes.keys().isdisjoint(_DECIDING) else self._decided(changes)
        values = dict(base.values)
        for name, given in changes.items():
            field = self.kind.model_fields.get(name)
            if field is None:  # `check` refuses it
                values[name] = given
                continue
            value = None if given == "none" and may_be_none(field) else given
            if group_of(field) and isinstance(value, Mapping) and isinstance(values[name], Mapping):
                value = {**values[name], **value}
            other = about(field, "lifts")
            begins = other and value is not None and values[name] is None
            if begins and other not in (base.explicit | changes.keys()):
                values[other] = None
            values[name] = value
        explicit = {name for name in changes if values[name] is not None}
        return Draft(self.kind, values, (base.explicit - changes.keys()) | explicit)

    def _decided(self, changes: Mapping[str, Any]) -> "Draft[Kind]":
        """Apply the values of a preset, a method and an architecture."""
        values, explicit = dict(self.values), self.explicit
        after = {**values, **changes}
        for name, field in self.kind.model_fields.items():
            old, new = self._case(field, self.values), self._case(field, after)
            own = name in explicit or values[name] != _value(field, old)
            if "preset" in changes and self._of_preset(old, new, after):
                values[name] = _value(field, new)
                explicit -= {name}
                after = {**after, name: changes.get(name, values[name])}  # it may decide others
            elif old != new and not own:
                values[name] = _value(field, new)
        return Draft(self.kind, values, explicit)

    def _case(self, field: FieldInfo, values: Mapping[str, Any]) -> str:
        """Return the case of a field that applies; empty for its default."""
        words = [values.get(name) for name in _DECIDING]
        fitting = [c for c in about(field, "when") if all(word in words for word in c.split("+"))]
        return max(fitting, key=len, default="")

    def _of_preset(self, old: str, new: str, after: Mapping[str, Any]) -> bool:
        presets = [self.values.get("preset"), after.get("preset")]
        return any(word in presets for case in (old, new) for word in case.split("+"))


def _value(field: FieldInfo, case: str) -> Any:
    """Return the value of a field in a case; groups as dicts."""
    default = field.get_default(call_default_factory=True)
    if group_of(field):
        return {**default.model_dump(), **about(field, "when").get(case, {})}
    return about(field, "when").get(case, default)
