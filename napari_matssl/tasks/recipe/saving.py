"""Save the recipe of a project: what was found out there, locked for others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from napari_matssl.errors import InputError, OutputError, SettingsError, StoppedError
from napari_matssl.files import check_writable
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.names import few
from napari_matssl.labels.provenance import Provenance, read_mask_facts
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.tensorfile import is_pickle
from napari_matssl.measure.boundaries import class_by_name, told_role
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.project.folder import Project
from napari_matssl.settings import PredictSettings, RecipeSettings
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.measuring.measures import make_measures
from napari_matssl.tasks.provenance import identify_model, newest_model
from napari_matssl.tasks.recipe.contents import (
    CalibrationRules,
    MeasureRules,
    Origin,
    Recipe,
    RecipeModel,
)
from napari_matssl.tasks.recipe.recipe_file import SUFFIX, write_recipe

_STAGE = "saving the recipe"


@dataclass(frozen=True)
class RecipeRequest:
    """What a recipe fixes beside what its project has.

    Parameters
    ----------
    settings
        Measures and limits.
    classes
        Names of the project's classes by measure; a measure without names takes all.
    model
        Its model; None: the newest of the project.
    pixel_size
        For images that have none.
    details
        Of reports; those of the project stand in for empty ones. Specimen and operator are left
        out.
    """

    settings: RecipeSettings = field(default_factory=RecipeSettings)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    model: Path | None = None
    pixel_size: PixelSize | None = None
    details: ReportDetails = field(default_factory=ReportDetails)


@dataclass(frozen=True)
class SavedRecipe:
    """A recipe that was written.

    Parameters
    ----------
    path
        Its file.
    recipe
        What it holds.
    checksum
        Of the file's parts.
    """

    path: Path
    recipe: Recipe
    checksum: str


def save_recipe(
    project: Project, out: Path, request: RecipeRequest, overwrite: bool = False
) -> Job[SavedRecipe]:
    """Write a project's model, classes, cleaning, measures, report and limits into one file.

    Yields
    ------
    A few progresses, with remarks. Sent STOP, the job writes nothing.

    Raises
    ------
    InputError, ModelFileError
        If the project has no model, or it can't be read, or what is set for the project can't.
    SettingsError
        If a class that is measured is none of the model's, or a measure needs one.
    OutputError
        If the file can't be written.
    StoppedError
        If it was stopped.
    """
    check_recipe_place(out, overwrite)
    project.look_again()
    model = request.model or require_newest_model(project)
    if is_pickle(model):
        raise InputError(
            f"{model} is a file of PyTorch's, which has no card.",
            "Import it first, and give the file that is written.",
        )
    card = read_card(model, "segmenter")
    if (yield Progress(_STAGE, 0, 3)) is Control.STOP:
        raise _stopped()
    recipe, remarks = _recipe_of(project, out.stem, model, card, request)
    if (yield Progress(_STAGE, 1, 3, message="\n".join(remarks))) is Control.STOP:
        raise _stopped()
    checksum = write_recipe(out, recipe, model)
    yield Progress(_STAGE, 3, 3)
    return SavedRecipe(out, recipe, checksum)


def check_recipe_place(out: Path, overwrite: bool) -> None:
    """Check early that a recipe can be written.

    Raises
    ------
    OutputError
        If it can't, or a file is there that isn't to be replaced.
    """
    if out.suffix != SUFFIX:
        raise OutputError(f"{out} is no name of a recipe.", f"End the name in {SUFFIX}.")
    check_writable(out)
    if out.exists() and not overwrite:
        raise OutputError(
            f"{out} is there already.", "Choose another name, or allow it to be replaced."
        )


def require_newest_model(project: Project) -> Path:
    """Return the model of a project that was trained last.

    Raises
    ------
    InputError
        If it has none.
    """
    newest = newest_model(project)
    if newest is None:
        raise InputError(
            f"{project.folder} has no model.", "Fine-tune one, or name one.", settings="model"
        )
    return newest


def _recipe_of(
    project: Project, name: str, model: Path, card: ModelCard, request: RecipeRequest
) -> tuple[Recipe, list[str]]:
    from napari_matssl.tasks.recipe.machine import this_machine

    ours = project.classes.matching(card.classes)
    measured = _measured_classes(project, card, ours, request)
    make_measures(request.settings.measuring, measured)  # raises where one lacks its class
    _check_grains(card.classes, measured.get("grains", ()), request.settings)
    identity, here = identify_model(model, card), this_machine()
    segmenting, remarks = _segmenting_of(project, card)
    remarks += _renamed(project, card, ours)
    if card.grey_reference is None:
        remarks.append(
            f"{model.name} can't judge whether an image is like the painted ones: each is to be "
            "checked."
        )
    if card.pixel_size_um is None:
        remarks.append(f"The images of {model.name} have no pixel size: um/px isn't judged.")
    stated = request.pixel_size
    kept = request.details.over(project.record.value.details)
    recipe = Recipe(
        name=name,
        origin=Origin(
            saved=datetime.now(UTC).isoformat(timespec="seconds"),
            program=here.program,
            torch=here.torch,
            device=here.device,
        ),
        model=RecipeModel(file=model.name, sha256=identity.sha256, created=card.created),
        classes=card.classes,
        segmenting=segmenting,
        cleaning=project.record.value.cleaning.renumbered(
            {our_id: its_id for its_id, our_id in ours.items()}
        ),
        calibration=CalibrationRules(
            expected_um=card.pixel_size_um,
            stated_um=None if stated is None else (stated.x_um, stated.y_um),
        ),
        measuring=MeasureRules(settings=request.settings.measuring, classes=measured),
        report=kept.model_copy(update={"specimen": "", "operator": ""}),
        limits=request.settings.limits,
    )
    return recipe, remarks


def _segmenting_of(project: Project, card: ModelCard) -> tuple[PredictSettings, list[str]]:
    """Return the settings with which the model's masks were made here; the newest ones count."""
    origins = [
        origin
        for name in project.images.names
        if (origin := _origin_of(project, name)) is not None
        and origin.model_created == card.created
    ]
    if not origins:
        return PredictSettings(), []
    newest = max(origins, key=lambda one: one.written)
    try:
        settings = PredictSettings.make({**newest.settings, "device": "auto"})
    except SettingsError as error:  # of another version
        raise error.reworded(remedy="Segment the images again.") from error
    others = {str({**one.settings, "device": ""}) for one in origins}
    if len(others) > 1:
        return settings, ["The masks were made with several settings; the newest ones are taken."]
    return settings, []


def _origin_of(project: Project, name: str) -> Provenance | None:
    path = project.masks.path(name)
    return read_mask_facts(path).provenance if path.is_file() else None


def _renamed(project: Project, card: ModelCard, ours: Mapping[int, int]) -> list[str]:
    """Return a line on classes that have other names here than in the model."""
    here = dict(zip(project.classes.table.ids, project.classes.table.names, strict=True))
    other = [
        f"{here[ours[one.id]]} is {one.name}"
        for one in card.classes.classes
        if one.id in ours and here[ours[one.id]] != one.name
    ]
    if not other:
        return []
    return [f"The recipe has the names of the model: {few(other, 8)}."]


def _measured_classes(
    project: Project, card: ModelCard, ours: Mapping[int, int], request: RecipeRequest
) -> dict[str, tuple[str, ...]]:
    """Bring names of the project's classes into those of the model."""
    here = dict(zip(project.classes.table.ids, project.classes.table.names, strict=True))
    called = {one: one for one in card.classes.names}
    called |= {here[ours[c.id]]: c.name for c in card.classes.classes if c.id in ours}
    found: dict[str, tuple[str, ...]] = {}
    for measure in request.settings.chosen:
        names = request.classes.get(measure, ())
        if strange := [one for one in names if one not in called]:
            raise SettingsError(
                f"{strange[0]} is no class of the model.",
                f"It has {', '.join(card.classes.names)}.",
                settings="class",
            )
        if names:
            found[measure] = tuple(called[one] for one in names)
    return found


def _check_grains(table: ClassTable, names: tuple[str, ...], settings: RecipeSettings) -> None:
    """Refuse grain size of a class that might be boundaries in one image and grains in the next."""
    if "grains" not in settings.chosen:
        return
    found = class_by_name(table)
    measured = [one for one in table.classes if one.name in names or (not names and one is found)]
    if not measured:
        raise SettingsError(
            "Grain size needs a class, and none is named boundary or grain.",
            "Name the class to measure.",
            settings="class",
        )
    for one in measured:
        if told_role(one, settings.measuring.grains) is None:
            raise SettingsError(
                f"{one.name} might be boundaries in one image and grains in the next.",
                "State which it is.",
                settings="grains_class_is",
            )


def _stopped() -> StoppedError:
    return StoppedError("Stopped before the recipe was saved: nothing was written.")
