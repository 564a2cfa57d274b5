"""Where fields were taken by what their project keeps, as far as that counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_matssl.labels.names import few
from napari_matssl.micrograph.place import Place
from napari_matssl.project.folder import Project
from napari_matssl.project.image_settings import own_folder_of_image, settings_of_image
from napari_matssl.tasks.measuring.group_file import GroupFile


@dataclass(frozen=True)
class Places:
    """The places that count for some images.

    Parameters
    ----------
    by_name
        Of each image; without specimens where one of them has none.
    remark
        A line on that; empty if all or none have a specimen.
    """

    by_name: Mapping[str, Place]
    remark: str = ""

    def of(self, name: str) -> Place:
        """Return the place of an image."""
        return self.by_name.get(name, Place())


def places_that_count(project: Project, names: Sequence[str]) -> Places:
    """Return the places of images that are measured together.

    Specimens count once each image of a group has one: images whose specimen nobody has typed
    aren't one specimen more. Until then, intervals are over images.
    """
    return _counting({name: project.micrographs.place(name) for name in names})


def places_of_images(images: Mapping[str, Path | None]) -> Places:
    """Return the places of fields that are measured together, as the project of their images keeps.

    They count as :func:`places_that_count` tells. Projects may each have a specimen "1", so that
    those of several aren't mixed: then intervals are over images.

    Parameters
    ----------
    images
        By the names of the fields; None where no image was found.

    Raises
    ------
    InputError
        If the record of a project is damaged.
    """
    kept = {
        name: Place() if image is None else settings_of_image(image).place
        for name, image in images.items()
    }
    folders = {
        own_folder_of_image(image).parent
        for name, image in images.items()
        if image is not None and kept[name] != Place()
    }
    if not folders:
        return Places({})
    if len(folders) > 1:
        return Places(
            {},
            f"The specimens of {few(sorted(f.name for f in folders), 4)} aren't counted, as they "
            "are kept in several projects: name them in a file of groups when you measure.",
        )
    places, (folder,) = _counting(kept), folders
    if places.remark:
        return places
    count = len({one.specimen for one in places.by_name.values() if one.specimen})
    counted = f"{count} specimens count" if count > 1 else "Specimens and groups count"
    return replace(
        places,
        remark=f"{counted} as the project of {folder.name} keeps them; measuring "
        "takes others from a file of groups.",
    )


def _counting(places: Mapping[str, Place]) -> Places:
    """Leave specimens out where one of a group's fields has none."""
    lacking = {one.group for one in places.values() if not one.specimen}
    begun = {one.group for one in places.values() if one.specimen or one.section} & lacking
    without = [n for n, one in places.items() if one.group in begun and not one.specimen]
    counted = {
        name: Place(group=one.group) if one.group in lacking else one
        for name, one in places.items()
    }
    if not without:
        return Places(counted)
    return Places(
        counted,
        f"{len(without)} of {len(places)} images have no specimen, so intervals are over images: "
        f"{few(without, 4)}.",
    )


def places_in_file(
    file: GroupFile, names: Sequence[str]
) -> tuple[Mapping[str, Place], tuple[str, ...]]:
    """Find images of a project in a file of groups.

    Returns
    -------
    The places of those that it lists, and the names of the others.
    """
    found = {name: file.find(Path(name)) for name in names}
    listed = {name: place for name, place in found.items() if place is not None}
    return listed, tuple(name for name in names if name not in listed)
