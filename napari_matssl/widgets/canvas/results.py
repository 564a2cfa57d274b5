"""The segmentation of the shown image: its layers, cleaning, and copying it into the strokes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from napari.layers import Labels, Layer, Shapes
from napari.utils.events import Event
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.measure.cleaning import clean_mask
from napari_matssl.progress import Preview
from napari_matssl.project.panorama_parts import Part
from napari_matssl.settings import Cleaning
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.layers import (
    Kind,
    add_labels,
    add_levels,
    copy_into,
    ids_in,
    place_ids,
    place_layer,
    region_of_shapes,
    within,
)
from napari_matssl.widgets.canvas.lazy_levels import (
    LazyLevel,
    grown_part,
    mask_levels,
    sampled_levels,
    show_changes,
)
from napari_matssl.widgets.canvas.painting_area import ELSEWHERE
from napari_matssl.widgets.canvas.shown import OVERLAYS, PREVIEW, SEGMENTATION, Shown

_GROWS = "matssl_grows"  # key of metadata: the file in which a mask grows


class Results(QObject):
    """Segmentations of the open folder's images, and the layers of the shown one's.

    Of segmentation and preview one is in sight: tints on top of each other make colours that no
    class has. A new preview covers the segmentation, which comes back when the preview goes.
    """

    mask_changed = Signal(str)
    """The segmentation of that image."""
    cleaning_changed = Signal()
    """Final masks are others: cleaned otherwise, or overruled by paint or not; or that failed."""
    overlay_shown = Signal(object)
    """The layer of a segmentation or preview that came into sight by itself."""

    def __init__(self, current: CurrentImage) -> None:
        super().__init__(current)
        self.current, self.folder, self.notices = current, current.folder, current.folder.notices
        self._covered: Layer | None = None  # hidden behind a preview
        self._area: float | None = None  # pixel area with which masks were last cleaned, um2
        self._told = set[str]()  # names of panoramas
        current.appeared.connect(self._take_up)
        current.leaving.connect(self._uncover)
        current.changed.connect(self._clean_again)

    def take_over(self, name: str, mask: NDArray[np.uint8], page: int | None = None) -> None:
        """Show a segmentation that the project has just got, if its image is shown."""
        shown = self.current.shown
        if shown is not None and (shown.name, shown.page) == (name, page):
            self._show(shown, mask)
            self._bring_into_sight(shown.extra[SEGMENTATION])
        self.mask_changed.emit(name)

    def show_piece(
        self, title: str, name: str, top: int, left: int, ids: NDArray[np.uint8]
    ) -> None:
        """Show a piece of a mask in the making, if its image is the one that is shown."""
        shown = self.current.shown
        if shown is None or shown.name != name or shown.is_panorama:
            return
        height, width = shown.micrograph.height, shown.micrograph.width
        if top + ids.shape[0] > height or left + ids.shape[1] > width:
            return  # a smaller image has replaced the one that was segmented
        layer = shown.extra.get(title)
        if layer is None:
            empty = np.zeros((height, width), np.uint8)
            layer = self._add(shown, title, empty, "preview" if title == PREVIEW else "mask")
        place_ids(layer, top, left, ids)

    def show_preview(self, preview: Preview, part: Part | None) -> None:
        """Show a piece of a preview, of a part of a panorama if it is one.

        Parameters
        ----------
        part
            What was asked to be previewed of a panorama.
        """
        name, top, left = preview.image, preview.top, preview.left
        if part is not None and part.micrograph.name == name:
            shown = self.current.shown
            if shown is not None and shown.has_part(name):
                self._show_part(shown, top + part.top, left + part.left, preview.ids)
        else:
            self.show_piece(PREVIEW, name, top, left, preview.ids)

    def _show_part(self, shown: Shown, top: int, left: int, ids: NDArray[np.uint8]) -> None:
        layer = shown.extra.get(PREVIEW)
        if layer is None:
            layer = self._add(shown, PREVIEW, ids, "preview")
        else:
            layer.data = ids
        place_layer(layer, shown.image, top, left)

    def clean(self, cleaning: Cleaning) -> None:
        """Show segmentations cleaned; what was found is kept."""
        if self.folder.project is None:
            return
        try:
            self.folder.project.masks.set_cleaning(cleaning)
        except MatSSLError as error:
            self.notices.failed.emit(error)
        shown = self.current.shown
        if shown is not None and shown.mask is not None:
            self._show(shown, shown.mask)
        self._tell_uncleaned()
        self.cleaning_changed.emit()

    def add_layer(self, title: str, layer: Layer) -> None:
        """Let a layer go with the shown image; it replaces one of the same title."""
        if self.current.shown is not None:
            self.remove_layer(title)
            self.current.shown.extra[title] = layer

    def remove_layer(self, title: str) -> None:
        """Take a layer of the shown image out of the viewer."""
        shown = self.current.shown
        layer = None if shown is None else shown.extra.pop(title, None)
        if layer is not None and layer in self.current.viewer.layers:
            self.current.viewer.layers.remove(layer)
            if title == PREVIEW:
                self._uncover()

    def copy_into_strokes(self, area: Shapes | None = None) -> int:
        """Copy segmentation or preview, whichever is in sight, into the painted labels.

        Parameters
        ----------
        area
            Copy inside its selected shape only.

        Returns
        -------
        How many pixels changed. One Ctrl-Z takes them back.

        Raises
        ------
        InputError
            If there is nothing to copy, or the shape is outside the image.
        """
        shown = self.current.require_shown()
        there = [shown.extra[title] for title in OVERLAYS if title in shown.extra]
        if not there:
            raise InputError("There is no segmentation to copy.", "Segment this image first.")
        source = next((x for x in there if x.visible), there[0])
        region = None if area is None else region_of_shapes(area, shown.image)
        if shown.painting is None:
            return copy_into(shown.painted, np.asarray(source.data), region)
        area = shown.painting.area
        if region is not None:
            region = within(region, area)
        return copy_into(shown.painted, ids_in(source, shown.image, area), region)

    def show_panorama(self, name: str, page: int | None) -> None:
        """Show the segmentation of a panorama as it is kept, if its image is shown."""
        shown = self.current.shown
        if shown is not None and (shown.name, shown.page) == (name, page) and shown.is_panorama:
            self.remove_layer(PREVIEW)
            self.remove_layer(SEGMENTATION)
            self._show_levels(shown)
        self.mask_changed.emit(name)

    def show_growing(self, name: str, page: int | None, path: Path, ids: NDArray[np.uint8]) -> None:
        """Show what is done of a panorama's mask, if its image is shown.

        Parameters
        ----------
        path
            Where it grows.
        ids
            ``(256,)``, the class id here of each of its values.
        """
        shown = self.current.shown
        if shown is None or (shown.name, shown.page) != (name, page) or not shown.is_panorama:
            return
        layer = shown.extra.get(SEGMENTATION)
        if layer is not None and layer.metadata.get(_GROWS) == path:
            show_changes(layer)
            return
        self.remove_layer(PREVIEW)
        self.remove_layer(SEGMENTATION)
        shape = shown.micrograph.height, shown.micrograph.width
        levels = sampled_levels(shape, partial(grown_part, path, shape, ids))
        self._add_levels(shown, levels).metadata[_GROWS] = path

    def _show_levels(self, shown: Shown) -> None:
        """Show the finished segmentation of a panorama, if there is one."""
        try:
            mask = shown.project.masks.levels(shown.name, shown.page)
        except MatSSLError as error:
            self.notices.failed.emit(error)
            return
        if mask is not None:
            self._add_levels(shown, mask_levels(mask, self.notices.failed.emit))
            self._tell_uncleaned()

    def _tell_uncleaned(self) -> None:
        """Tell once of a panorama that its mask isn't shown as it is measured."""
        shown = self.current.shown
        if shown is None or not shown.is_panorama or SEGMENTATION not in shown.extra:
            return
        table, cleaning = shown.project.classes.table, shown.project.masks.cleaning
        names = {one.id: one.name for one in table.classes}
        if cleaning.in_words(names) and shown.name not in self._told:
            self._told.add(shown.name)
            self.notices.remarked.emit(
                f"{shown.name} is a panorama: its mask is shown as found, and cleaned where it is "
                "measured and exported."
            )

    def _add_levels(self, shown: Shown, levels: Sequence[LazyLevel]) -> Labels:
        viewer, classes = self.current.viewer, shown.project.classes.in_order
        active = viewer.layers.selection.active
        layer = add_levels(viewer, shown.image, levels, classes, SEGMENTATION, "mask")
        self._arrange(shown, SEGMENTATION, layer)
        viewer.layers.selection.active = active
        return layer

    def _take_up(self, shown: Shown) -> None:
        """Show the last segmentation of the image that was just shown."""
        if shown.is_panorama:
            self._show_levels(shown)
        if shown.mask is not None:
            self._show(shown, shown.mask)

    def _clean_again(self) -> None:
        """Follow another pixel size: it changes what sizes in um2 are."""
        shown = self.current.shown
        if shown is not None and shown.mask is not None and _area(shown) != self._area:
            self._show(shown, shown.mask)

    def _show(self, shown: Shown, mask: NDArray[np.uint8]) -> None:
        project = shown.project
        shown.mask = mask
        self.remove_layer(PREVIEW)
        self._area = _area(shown)
        cleaned = clean_mask(mask, project.classes.table, project.masks.cleaning, self._area)
        if SEGMENTATION in shown.extra:
            place_ids(shown.extra[SEGMENTATION], 0, 0, cleaned)
        else:
            self._add(shown, SEGMENTATION, cleaned.copy(), "mask")

    def _add(self, shown: Shown, title: str, ids: NDArray[np.uint8], kind: Kind) -> Labels:
        """Add a labels layer below the strokes; which layer is active stays."""
        viewer = self.current.viewer
        active = viewer.layers.selection.active
        classes = shown.project.classes.in_order
        layer = add_labels(viewer, shown.image, ids, classes, title, kind)
        layer.editable = False  # corrections belong into the painted labels, which are saved
        self._arrange(shown, title, layer)
        viewer.layers.selection.active = active
        return layer

    def _arrange(self, shown: Shown, title: str, layer: Labels) -> None:
        """Put an overlay that was just added below the strokes."""
        layers = self.current.viewer.layers
        above = shown.extra.get(ELSEWHERE, shown.painted)
        layers.move(layers.index(layer), layers.index(above))
        covered = shown.extra.get(SEGMENTATION) if title == PREVIEW else None
        if covered is not None and covered.visible:
            covered.visible = False
            self._covered = covered
        shown.extra[title] = layer
        layer.events.visible.connect(self._on_visible)
        self.overlay_shown.emit(layer)

    def _bring_into_sight(self, layer: Layer) -> None:
        layer.visible = True
        self.overlay_shown.emit(layer)

    def _on_visible(self, event: Event) -> None:
        """Hide the other overlay when one is shown."""
        shown = self.current.shown
        if shown is None or not event.source.visible:
            return
        self._covered = None
        for title in OVERLAYS:
            other = shown.extra.get(title)
            if other is not None and other is not event.source:
                other.visible = False

    def _uncover(self) -> None:
        """Show the segmentation again that a preview has covered."""
        layer, self._covered = self._covered, None
        if layer is not None:
            self._bring_into_sight(layer)


def _area(shown: Shown) -> float | None:
    """Area of a pixel of the image, um2."""
    size = shown.micrograph.pixel_size
    return None if size is None else size.area_um2
