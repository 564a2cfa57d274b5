"""A small recipe, changed at random with checksums that fit again, for fuzz_files.py."""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.report.seal import Seal
from napari_matssl.settings import (
    Cleaning,
    IntensityScalingSettings,
    LimitSettings,
    MeasureSettings,
    PredictSettings,
)
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.recipe.contents import (
    CalibrationRules,
    MeasureRules,
    Origin,
    Recipe,
    RecipeModel,
)
from napari_matssl.tasks.recipe.recipe_file import (
    MODEL,
    RULES,
    SEAL,
    SUFFIX,
    check_model,
    check_recipe,
    read_recipe,
    write_recipe,
)

_CREATED = "2026-01-01T12:00:00+00:00"

Change = Callable[[bytes, np.random.Generator], bytes]


def read_to_run(path: Path) -> None:
    """Read a recipe as its run does before the first image, and as verify and info do."""
    check_recipe(path)
    file = read_recipe(path)
    file.recipe.rules()
    _ = file.recipe.prediction, file.recipe.calibration.stated
    with tempfile.TemporaryDirectory() as folder:
        check_model(file, file.copy_model(Path(folder)))


def change_recipe(raw: bytes, random: np.random.Generator, change_json: Change) -> bytes:
    """Change the rules or the checksums; give changed rules the checksums that they need."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if random.random() < 0.1:
        members[SEAL] = change_json(members[SEAL], random)
    else:
        members[RULES] = change_json(members[RULES], random)
        members[SEAL] = _sealed(members[RULES], members[MODEL], members[SEAL])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _sealed(rules: bytes, model: bytes, before: bytes) -> bytes:
    """Make the checksums of rules as whoever alters a recipe would; of no JSON, the old ones."""
    try:
        values = json.loads(rules)
        parts = [(name.replace("_", " "), _digest(value)) for name, value in values.items()]
    except (ValueError, AttributeError, RecursionError):
        return before
    seal = Seal((*parts, ("model file", hashlib.sha256(model).hexdigest())))
    return json.dumps({"parts": dict(seal.parts), "checksum": seal.checksum}).encode()


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii", "backslashreplace")).hexdigest()


def _recipe() -> bytes:
    """Make a recipe of a model of two classes without a network."""
    from safetensors.numpy import save

    from napari_matssl.learn.card import CARD_KEY, ModelCard

    card = ModelCard(
        encoder="resnet18",
        channels="grey",
        classes=numbered_table([1, 2]),
        intensity_scaling=IntensityScalingSettings(),
        created=_CREATED,
    )
    model = save({"a": np.zeros(8, np.float32)}, {CARD_KEY: card.model_dump_json()})
    recipe = Recipe(
        name="steel",
        origin=Origin(saved=_CREATED, program="0.1.0", torch="2.9", device="cpu"),
        model=RecipeModel(
            file="model-001.safetensors",
            sha256=hashlib.sha256(model).hexdigest(),
            created=card.created,
        ),
        classes=card.classes,
        segmenting=PredictSettings(),
        cleaning=Cleaning(),
        calibration=CalibrationRules(expected_um=0.25),
        measuring=MeasureRules(settings=MeasureSettings(), classes={"objects": ("class 2",)}),
        report=ReportDetails(),
        limits=LimitSettings(),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL
        path.write_bytes(model)
        out = Path(folder) / f"steel{SUFFIX}"
        write_recipe(out, recipe, path)
        return out.read_bytes()


SOURCES: dict[str, tuple[str, list[Callable[[], bytes]]]] = {
    "recipe": (f"steel{SUFFIX}", [_recipe])
}
