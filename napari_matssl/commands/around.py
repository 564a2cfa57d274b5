"""The commands around the main job: facts, the demo, the window."""

from pathlib import Path
from typing import Annotated

import typer

from napari_matssl.console import run_job
from napari_matssl.options import option
from napari_matssl.printing import print_line
from napari_matssl.settings import (
    FinetuneSettings,
)


def info(
    file: Annotated[Path, typer.Argument(help="an encoder, a model, a recipe or a micrograph")],
    page: Annotated[
        int | None, typer.Option(min=1, help="which image of a file that holds several")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Describe a file: an encoder, a model, a recipe or a micrograph."""
    from napari_matssl.console_tables import show_facts
    from napari_matssl.tasks.info import describe

    show_facts(describe(file, page), as_json)


def device(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show which device is used, why, and how to use a faster one."""
    from dataclasses import asdict

    from napari_matssl.console_tables import show_facts
    from napari_matssl.learn.device import diagnose

    facts = asdict(diagnose())
    show_facts({name: text for name, text in facts.items() if text or as_json}, as_json)


def demo(
    out: Annotated[Path, typer.Option("--out", help="folder for everything the demo makes")] = Path(
        "demo-output"
    ),
    gui: Annotated[
        bool, typer.Option("--gui", help="open napari with sample micrographs to paint instead")
    ] = False,
    device: Annotated[
        str | None, option(FinetuneSettings.model_fields["device"], ["device"])
    ] = None,
) -> None:
    """Run the main job on sample micrographs: pretrain, fine-tune, segment, score."""
    if gui:
        _demo_in_napari(out, device)
        return
    from napari_matssl.console_tables import show_demo
    from napari_matssl.tasks.demo import demo as run_demo

    outcome = run_job(run_demo(out, device or "auto"))
    show_demo(outcome.result)
    outcome.leave(outcome.result.skipped)


def gui(
    folder: Annotated[Path | None, typer.Argument(help="folder of micrographs to open")] = None,
) -> None:
    """Open napari with the MatSSL panels."""
    from napari_matssl.widgets.launch import run_viewer

    run_viewer(folder)


def _demo_in_napari(out: Path, device: str | None) -> None:
    from napari_matssl.errors import SettingsError
    from napari_matssl.widgets.launch import check_window, run_viewer

    if device is not None:
        raise SettingsError(
            "--device doesn't go with --gui.", 'Choose it in the panels, under "More settings".'
        )
    check_window()
    from napari_matssl.samples.to_paint import write_samples_to_paint

    folder = write_samples_to_paint(out)
    print_line(f"The sample micrographs are in {folder}.")
    run_viewer(folder)
