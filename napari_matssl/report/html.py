"""The report as one page of HTML that needs nothing else: no script, no file beside it."""

import base64
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from napari_matssl.report.contents import Contents
from napari_matssl.report.page_seal import PLACE, sealed
from napari_matssl.report.recipe_sections import recipe_sections
from napari_matssl.report.sections import (
    picture_notes,
    sections_after_pictures,
    sections_before_pictures,
)

_ROLES: Final = {
    "table": "Tables",
    "mask": "Masks",
    "strokes": "Painted pixels that overrule masks",
    "image": "Images",
    "model": "Model",
    "input": "Other files",
}


def make_page(contents: Contents) -> str:
    """Make the page, with its checksums."""
    environment = Environment(
        loader=PackageLoader("napari_matssl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, _, _ = environment.loader.get_source(environment, "report.css")  # type: ignore[union-attr]
    files = [
        (title, [one for one in contents.files if one.role == role])
        for role, title in _ROLES.items()
    ]
    page = environment.get_template("report.html").render(
        contents=contents,
        details=contents.details,
        title=contents.details.specimen or "Measurement of micrographs",
        before=[*recipe_sections(contents), *sections_before_pictures(contents)],
        after=sections_after_pictures(contents),
        pictures=[
            (one, base64.b64encode(one.jpeg).decode("ascii")) for one in contents.pictures.shown
        ],
        picture_notes=picture_notes(contents),
        files=[(title, some) for title, some in files if some],
        style=Markup(style),
        seal=Markup(PLACE),
    )
    return sealed(page)
