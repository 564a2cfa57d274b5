"""Commands that take settings and do nothing, to see what their options make."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from napari_matssl.errors import SettingsError
from napari_matssl.options import with_settings
from napari_matssl.settings import Settings


def command_of(kind: type[Settings]) -> Callable[..., Any]:
    """Make a command that takes settings; called, it returns them, or what it printed."""
    got: list[Settings] = []
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @with_settings(kind)
    def command(
        settings: Settings, other: Annotated[str | None, typer.Option(help="its own")] = None
    ) -> None:
        got.append(settings)

    def call(*arguments: object) -> Any:
        got.clear()
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if isinstance(done.exception, SettingsError):
            raise done.exception
        return got[0] if got else done.output

    return call
