"""Single settings: a field holds all that the command line and forms need of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo


def setting(
    default: Any,
    description: str,
    *,
    title: str = "",
    unit: str = "",
    unset: str = "not set",
    expert: bool = False,
    when: Mapping[str, Any] | None = None,
    lifts: str = "",
    choices: Sequence[str] = (),
    **bounds: Any,
) -> Any:
    """Make a field of settings.

    Parameters
    ----------
    title
        Name of its control; made of the field's own name if there is none.
    unit
        Shown behind the title, in brackets.
    unset
        Word for None, where the field may be None.
    expert
        Whether only ``--help-all`` lists it.
    when
        Values in place of the default by preset, method or architecture: ``"paper"``, or two
        together, ``"paper+mocov2"``, which takes precedence.
    lifts
        Another limit, which is lifted when this one is set, unless both were set explicitly.
    choices
        Values that are offered beside others that can be typed.
    bounds
        ``ge``, ``gt``, ``le``, ``lt``.
    """
    extra: dict[str, Any] = {
        "unit": unit, "unset": unset, "expert": expert, "when": dict(when or {}), "lifts": lifts,
    }  # fmt: skip
    return Field(
        default=default,
        title=title or None,
        description=description,
        examples=list(choices) or None,
        json_schema_extra=extra,
        **bounds,
    )


def about(field: FieldInfo, what: str) -> Any:
    """Return an attribute that :func:`setting` gave a field: ``"unit"``, ``"unset"``, ..."""
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    return extra[what]


def key_of(path: Sequence[str]) -> str:
    """Name a field as files of settings do."""
    return ".".join(path)


def title_of(kind: type[BaseModel], path: Sequence[str]) -> str:
    """Name the control of a field; its key where there is no such field."""
    name, *inner = path
    field = kind.model_fields.get(name)
    group = None if field is None else group_of(field)
    if field is None or (inner and group is None):
        return key_of(path)
    if inner and group is not None:
        return title_of(group, inner)
    title = field.title or name.replace("_", " ").capitalize()
    unit = about(field, "unit")
    return f"{title} ({unit})" if unit else title


def group_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the settings that a field consists of, where it is a group of several."""
    kind: Any = field.annotation
    is_group = isinstance(kind, type) and issubclass(kind, BaseModel) and hasattr(kind, "make")
    return kind if is_group else None


def single_fields(kind: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Yield all fields with their paths, those of groups one by one."""
    for name, field in kind.model_fields.items():
        group = group_of(field)
        if group is None:
            yield (name,), field
        else:
            yield from (((name, *path), inner) for path, inner in single_fields(group))


def may_be_none(field: FieldInfo) -> bool:
    """Whether None is a value of a field."""
    return type(None) in get_args(field.annotation)


def words_of(field: FieldInfo) -> tuple[str, ...]:
    """Return the words that a field of words can be; none for others."""
    return tuple(value for value in get_args(field.annotation) if isinstance(value, str))
