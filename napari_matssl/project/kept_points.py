"""Points at which classes are counted by eye: a file per image below ``matssl/points``."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_matssl.errors import InputError, OutputError
from napari_matssl.files import (
    OvertakenError,
    Stamp,
    damaged_file,
    read_json,
    stamp_of,
    unwritable,
    write_json,
)
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.project.kept_classes import KeptClasses
from napari_matssl.project.micrographs import Micrographs, PageChoice
from napari_matssl.project.own_folder import Place
from napari_matssl.project.record import KeptRecord

POINTS: Final = "points"
"""Name of the folder of these files, in the folder that holds all that belongs to a project."""

_Id = Annotated[int, Field(ge=0, le=254)]
_Pixel = Annotated[int, Field(ge=0)]


LONGEST_NAME: Final = 100
"""Characters of the name of whoever counts."""


class PointAnswer(BaseModel):
    """How somebody has judged a point.

    Parameters
    ----------
    classes
        Id of its class; ids of both where it lies on a boundary; none where nobody can tell.
    time
        When, ISO 8601.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[_Id, ...] = Field(max_length=2)
    time: str = ""

    @model_validator(mode="after")
    def _two_classes_differ(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a boundary lies between two classes")
        return self


class KeptCount(BaseModel):
    """Content of a file: the points of an image, and what was judged so far.

    Parameters
    ----------
    size
        Rows and columns of the image.
    seed
        From which the points were drawn.
    classes
        What the ids of the answers mean.
    points
        Rows and columns, in the order of counting.
    answers
        Of the first points.
    by
        Who judged, as it was typed; empty if nobody typed it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    size: tuple[_Pixel, _Pixel]
    seed: int
    classes: ClassTable
    points: tuple[tuple[_Pixel, _Pixel], ...] = Field(min_length=1)
    answers: tuple[PointAnswer, ...] = ()
    by: str = Field(default="", max_length=LONGEST_NAME)

    @model_validator(mode="after")
    def _answers_fit(self) -> Self:
        if len(self.answers) > len(self.points):
            raise ValueError("there are more answers than points")
        if any(y >= self.size[0] or x >= self.size[1] for y, x in self.points):
            raise ValueError("a point lies outside the image")
        strange = {one for answer in self.answers for one in answer.classes} - {*self.classes.ids}
        if strange:
            raise ValueError(f"an answer has the class {min(strange)}, which isn't in the table")
        return self

    @property
    def finished(self) -> bool:
        """Whether every point is judged."""
        return len(self.answers) == len(self.points)

    def answered(self, classes: tuple[int, ...], time: str) -> "KeptCount":
        """Return the count with an answer to the next point."""
        answers = (*self.answers, PointAnswer(classes=classes, time=time))
        return self.model_copy(update={"answers": answers})

    def undone(self) -> "KeptCount":
        """Return the count without the last answer."""
        return self.model_copy(update={"answers": self.answers[:-1]})

    def ended(self) -> "KeptCount":
        """Return the count with the points that are judged alone."""
        return self.model_copy(update={"points": self.points[: len(self.answers)]})


class CountedElsewhereError(OutputError):
    """Another window has counted the points of an image meanwhile."""


class KeptPoints:
    """Counts by the names of the images; part of one project."""

    def __init__(
        self, place: Place, micrographs: Micrographs, classes: KeptClasses, record: KeptRecord
    ) -> None:
        self._place, self._micrographs = place, micrographs
        self._classes, self._record = classes, record
        self._stamps: dict[Path, Stamp | None] = {}

    def path(self, name: str, page: PageChoice = ...) -> Path:
        """Return where the count of an image, of a page of it, is, or would be."""
        page = self._micrographs.page(name, page)
        return self._place.own / POINTS / f"{self._micrographs.stem(name, page)}.json"

    def read(self, name: str, page: PageChoice = ...) -> KeptCount | None:
        """Read the count of an image, in the project's class ids of now; None if there is none.

        Raises
        ------
        InputError
            If it is damaged, of an image of another size, or has a class that is gone.
        """
        page = self._micrographs.page(name, page)
        path = self.path(name, page)
        if stamp_of(path) is None:
            return None
        data = read_json(path, _START_ANEW)
        try:
            count = KeptCount.model_validate(data)
        except ValidationError as error:
            raise damaged_file(path, error.errors()[0]["msg"], _START_ANEW) from error
        height, width = self._micrographs.shape(name, page)
        if count.size != (height, width):
            own = f"{count.size[1]} x {count.size[0]}"
            raise InputError(
                f"{name}: its points were counted on {own} px, but it has {width} x {height}.",
                _START_ANEW,
            )
        return self._in_ids_of_now(name, count)

    def go_on(self, name: str, page: PageChoice = ...) -> KeptCount | None:
        """Read the count of an image that is about to be written; errors as of :meth:`read`."""
        path = self.path(name, page)
        self._stamps[path] = stamp_of(path)
        return self.read(name, page)

    def write(self, name: str, count: KeptCount, page: PageChoice = ...) -> None:
        """Write the count of an image, over the one that was there when it was begun.

        Raises
        ------
        OutputError
            If it can't be written; CountedElsewhereError if another window has counted meanwhile.
        """
        path = self.path(name, page)
        try:
            with self._place.lock, self._place.saving():
                self._classes.begin()
                write_json(path, count.model_dump(mode="json"), self._stamps.get(path))
                self._stamps[path] = stamp_of(path)
        except OvertakenError as error:
            raise CountedElsewhereError(
                f"{name}: another window has counted its points meanwhile.",
                "Show another image and this one again: that count is there to go on with.",
            ) from error

    def remove(self, name: str, page: PageChoice = ...) -> None:
        """Delete the count of an image.

        Raises
        ------
        OutputError
            If it can't be deleted.
        """
        path = self.path(name, page)
        with self._place.lock, self._place.saving():
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise unwritable(path, error) from error
            self._stamps[path] = None

    def _in_ids_of_now(self, name: str, count: KeptCount) -> KeptCount:
        """Follow classes that were renamed or merged since."""
        now = self._classes.table
        # Classes that were merged have two names for one id: match_by_name() gives one of ours to
        # one of theirs.
        by_name = {**self._record.value.former_names, **{one.name: one.id for one in now.classes}}
        names = {one.id: one.name for one in count.classes.classes}
        ids = {one: by_name[name] for one, name in names.items() if by_name.get(name) in now.ids}
        used = {one for answer in count.answers for one in answer.classes}
        gone = sorted(names[one] for one in used - {*ids})
        if gone:
            raise InputError(
                f"{name}: points were counted as {', '.join(gone)}, a class that is gone.",
                "Add a class of that name, or count the points anew.",
            )
        answers = tuple(
            # A boundary between classes that were merged since is none.
            answer.model_copy(
                update={"classes": tuple(dict.fromkeys(ids[one] for one in answer.classes))}
            )
            for answer in count.answers
        )
        return count.model_copy(update={"classes": now, "answers": answers})


_START_ANEW = "Move that file away, and count the points anew."
