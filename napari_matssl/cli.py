"""The command line: its commands and how they are run."""

import sys
from collections.abc import Callable

import typer

from napari_matssl.commands.around import demo, device, gui, info
from napari_matssl.commands.exchanging import export, import_, labels
from napari_matssl.commands.learning import finetune, pretrain
from napari_matssl.commands.measuring import calibrate, measure, verify
from napari_matssl.commands.recipes import recipe, run
from napari_matssl.commands.segmenting import evaluate, predict
from napari_matssl.commands.suggesting import suggest
from napari_matssl.console import Command, SizeCommand, check_arguments, one_line_errors
from napari_matssl.openmp import sleeping_threads

app = typer.Typer(
    name="napari-matssl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Pretrain on unlabelled micrographs, fine-tune from a few strokes, segment, measure.",
)

COMMANDS: tuple[tuple[type[Command], Callable[..., None]], ...] = (
    (Command, pretrain),
    (Command, finetune),
    (Command, predict),
    (Command, evaluate),
    (Command, suggest),
    (SizeCommand, measure),
    (SizeCommand, recipe),
    (Command, run),
    (Command, verify),
    (Command, export),
    (Command, import_),
    (Command, labels),
    (SizeCommand, calibrate),
    (Command, info),
    (Command, device),
    (Command, demo),
    (Command, gui),
)
"""In the order of ``--help``."""

for _kind, _command in COMMANDS:
    app.command(_command.__name__.strip("_"), cls=_kind)(_command)


def main() -> None:
    """Run the command line; errors of input end in one line and status 2."""
    with sleeping_threads(), one_line_errors():
        check_arguments(sys.argv[1:])
        app()
