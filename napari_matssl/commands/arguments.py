"""Arguments that several commands take, and what is read from them."""

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_matssl.options import flag_of, option
from napari_matssl.printing import print_error
from napari_matssl.settings import ClusterSettings

Splits = Annotated[Path | None, typer.Option(help="JSON file of splits")]


Split = Annotated[str | None, typer.Option(help="name of the split to use")]


Classes = Annotated[
    Path | None, typer.Option(help="class table (JSON); else classes.json beside the labels")
]


InfoBar = Annotated[
    str | None,
    typer.Option(
        help="auto: leave a detected SEM info bar out; none: segment it, too; or the first row "
        "of the bar in all images [auto]",
        show_default=False,
    ),
]


PixelSizeText = Annotated[
    str | None,
    typer.Option(metavar="X [Y]", help="width of a pixel in um, and its height if they differ"),
]


Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="let the workers of a dask cluster do it: tcp://host:8786, or a scheduler file",
    ),
]


Devices = Annotated[str | None, option(ClusterSettings.model_fields["devices"], ["devices"])]


Nodes = Annotated[str | None, option(ClusterSettings.model_fields["nodes"], ["nodes"])]


def ranks_of(devices: str | None, nodes: str | None, device: str) -> AbstractContextManager[Any]:
    """Return the context in which the processes of a training are joined; it gives the ranks."""
    from napari_matssl.learn.rank_start import joined_ranks

    given = {"devices": devices, "nodes": nodes}
    cluster = ClusterSettings.make(
        {name: value for name, value in given.items() if value is not None}, name_of=flag_of
    )
    return joined_ranks(cluster, device, print_error)


def split_choice(splits: Path | None, split: str | None) -> Any:
    """Choose a split; None where none is named."""
    from napari_matssl.errors import SettingsError
    from napari_matssl.tasks.label_files import SplitChoice

    if splits is None and split is None:
        return None
    if splits is None or split is None:
        raise SettingsError("--splits FILE and --split NAME go together.", "Give both or neither.")
    return SplitChoice(splits, split)


def info_bar_choice(text: str) -> Any:
    """Parse auto, none or a row into "auto", None or a number."""
    from napari_matssl.errors import SettingsError

    if text.isascii() and text.isdecimal() and len(text) < 9:
        return int(text)
    if text not in ("auto", "none"):
        raise SettingsError(
            f"--info-bar {text} is not understood.", "Give auto, none, or the first row of the bar."
        )
    return "auto" if text == "auto" else None


def parse_pixel_size(text: str | None, source: str) -> Any:
    """Parse one or two lengths in um; None where there are none."""
    if text is None:
        return None
    from napari_matssl.errors import SettingsError
    from napari_matssl.micrograph.image import PixelSize

    try:
        sides = [float(part) for part in text.split()]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or not all(0 < side < math.inf for side in sides):
        raise SettingsError(
            f"--pixel-size-um {text} is no pixel size.", "Give one or two lengths above 0, in um."
        )
    return PixelSize(sides[0], sides[-1], source)


def report_details(**given: Any) -> Any:
    """Make the details of a report; each is a line."""
    from pydantic import ValidationError

    from napari_matssl.errors import SettingsError
    from napari_matssl.settings.report_details import ReportDetails

    try:
        return ReportDetails(**given)
    except ValidationError as error:
        finding = error.errors()[0]
        raise SettingsError(
            f"--{str(finding['loc'][0]).removesuffix('s')}: {finding['msg']}."
        ) from error
