"""The models of a project: their files, their names now and before, notes."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

from napari_matssl.errors import InputError, OutputError
from napari_matssl.files import unwritable
from napari_matssl.labels.names import composed
from napari_matssl.project.own_folder import Place
from napari_matssl.project.record import KeptRecord, Record

BACKUP: Final = "models-backup"
"""Folder beside that of the models, for those that were deleted."""

CHECKPOINT: Final = ".checkpoint.safetensors"
"""Ending of a file that keeps the state of an unfinished pretraining."""

LONGEST_NOTE: Final = 200
"""Characters that a note on a model may have."""

_SUFFIX: Final = ".safetensors"
_LONGEST_BYTES: Final = 200  # file systems allow 255, of which suffix and numbers need some
_NEVER: Final = set('<>:"/\\|?*')
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


_MADE_UP: Final = re.compile(r"(model|encoder)-\d+", re.IGNORECASE)


class KeptModels:
    """Models by their files; masks that name a model by an earlier name find it.

    A model is known by the name of its file together with the time when its training ended, which
    stands in its card: the name alone may be another model's after a while.

    Parameters
    ----------
    place, record
        Where the project is kept; its record holds former names and notes.

    Attributes
    ----------
    folder
        Where models trained here go; need not exist.
    """

    def __init__(self, place: Place, record: KeptRecord) -> None:
        self.folder = place.own / "models"
        self._place, self._record = place, record

    def files(self) -> tuple[Path, ...]:
        """List the models trained here, the newest first."""
        found = [
            path
            for path in self.folder.glob(f"*{_SUFFIX}")
            if path.name[0] != "." and not path.name.endswith(CHECKPOINT)
        ]
        return tuple(sorted(found, key=lambda p: (p.stat().st_mtime_ns, p.name), reverse=True))

    def unfinished(self) -> tuple[Path, ...]:
        """List the encoders of which the pretraining can go on, whether or not they are there."""
        states = self.folder.glob(f"*{CHECKPOINT}")
        return tuple(
            path.with_name(f"{path.name.removesuffix(CHECKPOINT)}{_SUFFIX}")
            for path in sorted(states, key=lambda p: p.stat().st_mtime_ns, reverse=True)
            if path.name[0] != "."
        )

    def new_path(self, title: str = "model") -> Path:
        """Make up a name that no model has or had: ``model-003.safetensors`` after ``model-002``.

        The name of a model that was renamed or deleted here isn't given again: masks hold it.
        """
        plain = re.sub(r"[^\w.-]+", "-", title).strip(".-") or "model"
        had = (Path(name).stem for one in self._record.value.models for name in one.names)
        there = (path.stem for path in (*self.files(), *self.unfinished()))
        stems = {*had, *there}
        found = (re.fullmatch(rf"{re.escape(plain)}-(\d+)", stem) for stem in stems)
        last = max((int(number[1]) for number in found if number), default=0)
        return self.folder / f"{plain}-{last + 1:03d}{_SUFFIX}"

    def note(self, file: Path, created: str) -> str:
        """Return the note on a model; empty if there is none.

        Parameters
        ----------
        file
            Of the model.
        created
            When its training ended, as its card has it; empty for a file without a card.
        """
        return self._record.value.model(file.name, created).note

    def set_note(self, file: Path, created: str, note: str) -> None:
        """Keep a line on a model; an empty one takes it away.

        Raises
        ------
        InputError
            If it is longer than a line may be.
        OutputError
            If it can't be kept.
        """
        line = " ".join(note.split())
        if len(line) > LONGEST_NOTE:
            raise InputError(
                f"The note on {file.name} has {len(line)} characters.",
                f"At most {LONGEST_NOTE} are kept.",
            )
        self._record.change(lambda r: r.with_model(r.model(file.name, created).noted(line)))

    def why_no_name(self, file: Path, name: str) -> str:
        """Return why a model can't have a name; empty if it can.

        Parameters
        ----------
        file
            Of the model.
        name
            With or without the suffix of the file.
        """
        stem = _stem(file, name)
        if not stem:
            return "A model needs a name."
        if len(stem.encode("utf-8", "replace")) > _LONGEST_BYTES:
            return "The name is too long."
        strange = next((c for c in stem if c in _NEVER or unicodedata.category(c)[0] == "C"), None)
        if strange is not None:
            shown = strange if strange.isprintable() else f"U+{ord(strange):04X}"
            return f"A name can't have the character {shown}: some systems don't take it."
        if stem[0] == "." or stem[-1] == "." or _DEVICES.fullmatch(stem):
            return "Some systems don't take this name."
        if _MADE_UP.fullmatch(stem) and not self._was_called(file.name, f"{stem}{file.suffix}"):
            return f"Names such as {stem} are given to new models."
        wanted = composed(f"{stem}{file.suffix}").casefold()
        others = (path.name for path in file.parent.glob("*") if path.name != file.name)
        if any(composed(other).casefold() == wanted for other in others):
            return f"There is another model called {stem}."
        return ""

    def rename(self, file: Path, created: str, name: str) -> Path:
        """Rename a model; masks that it made keep the link to it.

        Parameters
        ----------
        file, created
            As for :meth:`note`.
        name
            With or without the suffix of the file.

        Returns
        -------
        The file as it is called now.

        Raises
        ------
        InputError
            If it can't be called so, or isn't there.
        OutputError
            If the file can't be renamed, or the record of the project not be written.
        """
        with self._place.lock:
            self._check_there(file)
            reason = self.why_no_name(file, name)
            if reason:
                raise InputError(f"{file.name}: {reason}", "Choose another name.")
            target = file.with_name(f"{_stem(file, name)}{file.suffix}")
            if target.name == file.name:
                return file

            def renamed(record: Record) -> Record:
                return record.with_model(record.model(file.name, created).renamed(target.name))

            self._move(file, target, renamed)
            return target

    def delete(self, file: Path, created: str) -> Path:
        """Put a model away, beside the folder of models; its note and its name are kept.

        Returns
        -------
        Where it is now: it can be imported from there.

        Raises
        ------
        InputError
            If it isn't there.
        OutputError
            If it can't be moved, or the record of the project not be written.
        """
        with self._place.lock:
            self._check_there(file)
            folder = self._place.own / BACKUP
            target, number = folder / file.name, 2
            while target.exists():
                target = folder / f"{file.stem}-{number}{file.suffix}"
                number += 1
            self._move(file, target, lambda r: r.with_model(r.model(file.name, created)))
            return target

    def name_now(self, name: str, created: str) -> str:
        """Return the present name of a model that a mask names; the same if it wasn't renamed."""
        return self._record.value.model(name, created).file

    def has(self, name: str) -> bool:
        """Whether a file of this name is among the models."""
        return bool(name) and (self.folder / name).is_file()

    def _was_called(self, now: str, name: str) -> bool:
        """Whether a model of this name had another one before, which so is no other's."""
        return now == name or any({now, name} <= {*one.names} for one in self._record.value.models)

    def _check_there(self, file: Path) -> None:
        if file.parent != self.folder or not file.is_file():
            raise InputError(f"{file} is not among the models.", "Look at the list again.")

    def _move(self, file: Path, target: Path, change: Callable[[Record], Record]) -> None:
        """Move a file and note it in the record; both or none."""
        with self._place.saving():
            _rename(file, target)
            try:
                self._record.change(change)
            except (InputError, OutputError):
                _rename(target, file)
                raise


def _stem(file: Path, name: str) -> str:
    """Return the name without blanks around it and without the suffix."""
    plain = composed(name).strip()
    ends = bool(file.suffix) and plain.lower().endswith(file.suffix.lower())
    return plain[: -len(file.suffix)].strip() if ends else plain


def _rename(file: Path, target: Path) -> None:
    try:
        target.parent.mkdir(exist_ok=True)
        file.rename(target)
    except OSError as error:
        raise unwritable(target, error) from error
