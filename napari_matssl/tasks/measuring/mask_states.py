"""What tells whether the final mask of an image has changed since it was measured."""

from napari_matssl.files import stamp_of
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.project.folder import Project


class MaskStates:
    """Asks the files of a project; an image is read again only if its own file has changed.

    Threads may share it: at worst, two of them read an image at once.

    Parameters
    ----------
    project
        Whose cleaning and pixel sizes are those at the time of asking.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._sizes: dict[str, tuple[object, PixelSize | None]] = {}

    def of(self, name: str, table: ClassTable) -> object:
        """Return something that is equal as long as figures of an image's mask stay the same.

        Raises
        ------
        InputError
            If the image can't be read, or the mask's file has gone.
        """
        project = self.project
        painted = project.labels.path(name)
        strokes = stamp_of(painted) if project.masks.painted_counts and painted.exists() else None
        return (
            stamp_of(project.masks.path(name)),
            strokes,
            project.masks.cleaning,
            [(one.id, one.name, one.exclude) for one in table.classes],
            self.pixel_size(name),
            project.micrographs.page(name),
            project.micrographs.place(name),
            project.micrographs.settings(name).info_bar,  # tables remark that it is another
            # Tables name models as they are called now, and find their errors by that.
            [(one.file, one.former) for one in project.record.value.models if one.former],
        )

    def pixel_size(self, name: str) -> PixelSize | None:
        """Return the pixel size of an image; None if it isn't calibrated.

        Raises
        ------
        InputError
            If the image can't be read.
        """
        micrographs = self.project.micrographs
        state = (
            stamp_of(self.project.images.path(name)),
            micrographs.pixel_size_by_hand(name),
            micrographs.page(name),
        )
        known = self._sizes.get(name)
        if known is None or known[0] != state:
            known = state, micrographs.read_any(name).pixel_size
            self._sizes[name] = known
        return known[1]
