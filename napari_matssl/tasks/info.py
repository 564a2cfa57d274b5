"""Description of a file: the card of an encoder or model, the rules of a recipe, a micrograph."""

from pathlib import Path
from typing import Any

from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import PICKLES, read_card
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.panorama import sample_of
from napari_matssl.micrograph.scale_bar import find_scale_bar
from napari_matssl.project.image_settings import settings_of_image
from napari_matssl.project.pixel_sizes import read_any_calibrated, size_by_hand, size_sources
from napari_matssl.tasks.recipe.recipe_file import SUFFIX, read_recipe


def describe(path: Path, page: int | None = None) -> dict[str, Any]:
    """Describe an encoder, a model, a recipe or a micrograph in plain values.

    Parameters
    ----------
    path
        The file.
    page
        Which plane of an image that holds several, from 1.

    Raises
    ------
    InputError, ModelFileError
        If the file can't be read.
    """
    if path.suffix.lower() == SUFFIX:
        file = read_recipe(path)
        return {"recipe": file.recipe.name, "checksum": file.checksum, **dict(file.recipe.rules())}
    if path.suffix.lower() in PICKLES | {".safetensors"}:
        card = read_card(path)
        facts: dict[str, Any] = card.model_dump(mode="json")
        if isinstance(card, ModelCard) and card.payoff is not None:
            facts["payoff_in_words"] = card.payoff.in_words()
        return facts
    micrograph = read_any_calibrated(path, settings_of_image(path).page if page is None else page)
    facts = {
        "name": micrograph.name,
        "width": micrograph.width,
        "height": micrograph.height,
        "dtype": str(sample_of(micrograph).pixels.dtype),
        "channels": "rgb" if micrograph.is_rgb else "grey",
    }
    if micrograph.pixel_size is not None:
        size = micrograph.pixel_size
        facts["pixel_size_um"] = _rounded(size)
        facts["pixel_size_source"] = size.source
        if size.doubt:
            facts["pixel_size_doubt"] = size.doubt
        sources = size_sources(micrograph, size_by_hand(path))
        if len(sources) > 1:
            facts["pixel_size_sources"] = [
                {
                    "name": one.in_words,
                    "pixel_size_um": _rounded(one.size),
                    "source": one.size.source,
                    "used": one.used,
                    "agrees": one.agrees,
                }
                for one in sources
            ]
    if micrograph.info_bar is not None:
        facts["info_bar_row"] = micrograph.info_bar.row
        facts["info_bar_source"] = micrograph.info_bar.source
    # The bar of a panorama isn't looked for.
    if isinstance(micrograph, Micrograph) and (bar := find_scale_bar(micrograph)) is not None:
        facts["scale_bar"] = {
            "length_px": bar.length_px, "row": bar.row, "columns": [bar.first, bar.last]
        }  # fmt: skip
        if bar.printed_um is not None:
            facts["scale_bar"]["printed_um"] = float(f"{bar.printed_um:.6g}")
    if micrograph.pages > 1:
        facts |= {"page": micrograph.page, "pages": micrograph.pages}
    if micrograph.remarks:
        facts["remarks"] = [remark.removeprefix(f"{path.name}: ") for remark in micrograph.remarks]
    if (origin := read_mask_facts(path).provenance) is not None:
        stated = origin.model_dump(mode="json", exclude_defaults=True)
        facts |= {f"mask_{name}": value for name, value in stated.items()}
    return facts


def _rounded(size: PixelSize) -> list[float]:
    """Height and width of a pixel, with six digits."""
    return [float(f"{side:.6g}") for side in (size.y_um, size.x_um)]
