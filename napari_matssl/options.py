"""Options of the command line, made of the fields of settings."""

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from napari_matssl.settings import Settings
from napari_matssl.settings.base import read_values
from napari_matssl.settings.fields import about, single_fields, words_of

_FILE = Annotated[
    Path | None, typer.Option("--settings", help="JSON file of settings; options override it")
]


def with_settings(
    kind: type[Settings], only: Collection[str] = (), without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add an option to a command for every field of its settings, and ``--settings FILE``.

    The command gets them as its keyword ``settings``. Options for experts work, but only
    ``--help-all`` lists them.

    Parameters
    ----------
    only
        Names of the fields that the command needs, if it doesn't need all.
    without
        Fields for which the command has options of its own.
    """
    fields = {
        path: field
        for path, field in single_fields(kind)
        if path[0] not in without and (not only or path[0] in only)
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(help_all: bool, settings: Path | None, **options: Any) -> None:
            given: dict[str, Any] = {}
            for path in fields:
                value = options.pop("_".join(path))
                if value is not None and len(path) == 1:
                    given[path[0]] = value
                elif value is not None:
                    given.setdefault(path[0], {})[path[1]] = value
            command(**options, settings=_make(kind, given, settings))

        own = dict(inspect.signature(command).parameters)
        del own["settings"]
        made = [_parameter(path, field) for path, field in fields.items()]
        made += [
            _keyword("settings", _FILE, None),
            _keyword("help_all", Annotated[bool, _HELP_ALL], False),
        ]
        keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.values()]
        parameters = [*keywords, *made]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def flag_of(path: Sequence[str]) -> str:
    """Name the option of a field."""
    return "--" + "-".join(path).replace("_", "-")


def option(field: FieldInfo, path: Sequence[str]) -> Any:
    """Make an option of a field: its name, its help text, its default."""
    default = "" if field.default in (None, {}) else f" [{field.default}]"
    flag = flag_of(path)
    return typer.Option(
        f"{flag}/--no-{flag[2:]}" if field.annotation is bool else flag,
        help=f"{field.description}{default}",
        metavar=_metavar(field),
        show_default=False,
        hidden=about(field, "expert"),
    )


def _parameter(path: tuple[str, ...], field: FieldInfo) -> inspect.Parameter:
    kind = bool if field.annotation is bool else str  # the settings parse numbers
    return _keyword("_".join(path), Annotated[kind | None, option(field, path)], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _metavar(field: FieldInfo) -> str | None:
    kinds = get_args(field.annotation) or (field.annotation,)
    if field.annotation is bool:
        return None
    if all(isinstance(kind, str) for kind in kinds):
        return f"[{'|'.join(words_of(field))}]"
    names = {int: "<int>", float: "<float>"}
    return next((names[kind] for kind in kinds if kind in names), None)


def _make(kind: type[Settings], given: dict[str, Any], file: Path | None) -> Settings:
    """Make settings of options; a file of weights names the encoder if nothing else does."""
    made = kind.make(given, file, flag_of)
    weights = getattr(made, "weights", None)
    named = file is not None and "weights" not in given and "encoder" in read_values(file)
    if weights is None or "encoder" in given or named:
        return made
    from napari_matssl.learn.card_files import encoder_of_file

    encoder = encoder_of_file(weights)
    return made if encoder is None else made.model_copy(update={"encoder": encoder})


def _show_all(context: typer.Context, wanted: bool) -> None:
    if wanted:
        for parameter in context.command.params:
            parameter.hidden = False  # type: ignore[attr-defined]
        typer.echo(context.get_help())
        raise typer.Exit


_HELP_ALL = typer.Option(
    "--help-all", help="Show the options for experts, too, and exit.", is_eager=True,
    callback=_show_all,
)  # fmt: skip
