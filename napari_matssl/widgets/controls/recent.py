"""Folders that were used before, kept with the user's settings, not with the project."""

from pathlib import Path

from qtpy.QtCore import QSettings

from napari_matssl.project.substitute_folder import key_of

MOST = 8
"""Number of folders; older ones are dropped."""


class RecentFolders:
    """Folders of one kind, the last used first.

    Parameters
    ----------
    kind
        What they were used for: ``"opened"``, ``"exported"``.
    """

    def __init__(self, kind: str) -> None:
        self._key = f"recent/{kind}"

    def folders(self) -> tuple[Path, ...]:
        """List those that are still there."""
        kept = _settings().value(self._key, [], type=list) or []
        return tuple(path for path in map(Path, kept) if path.is_dir())

    def add(self, folder: Path) -> None:
        """Put a folder first."""
        kept = [str(path) for path in self.folders() if path != folder]
        _settings().setValue(self._key, [str(folder), *kept][:MOST])


class Places:
    """Folders for strokes and masks of folders that can't be written."""

    def of(self, images: Path) -> Path | None:
        """Return the folder that was chosen for a folder of images; it may be gone."""
        kept = _settings().value(f"places/{key_of(images)}", "", type=str)
        return Path(kept) if kept else None

    def choose(self, images: Path, own: Path) -> None:
        """Store the substitute of a folder of images."""
        _settings().setValue(f"places/{key_of(images)}", str(own))


def _settings() -> QSettings:
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-matssl", "napari-matssl"
    )
