"""The bare micrograph: nothing else in sight, whatever other parts of the program show."""

from collections.abc import Iterable

from napari.layers import Layer
from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.QtWidgets import QDockWidget

from napari_matssl.widgets.napari_private import layer_docks


class BareImage:
    """Keep all layers but some out of sight, and the layer list, whose thumbnails show masks."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._kept: set[Layer] = set()
        self._before: dict[Layer, bool] = {}
        self._docks: list[QDockWidget] = []

    @property
    def is_on(self) -> bool:
        """Whether layers are kept out of sight now."""
        return bool(self._kept)

    def begin(self, kept: Iterable[Layer]) -> None:
        """Take all layers out of sight but those given; new ones, too, until the end."""
        self.end()
        self._kept = {*kept}
        for layer in self._viewer.layers:
            self._hide(layer)
        for layer in self._kept:
            self._before[layer] = layer.visible
            layer.visible = True
        self._viewer.layers.events.inserted.connect(self._on_inserted)
        self._docks = [dock for dock in layer_docks(self._viewer) if not dock.isHidden()]
        for dock in self._docks:
            dock.hide()

    def spare(self, layer: Layer) -> None:
        """Let another layer be seen."""
        self._kept.add(layer)
        layer.events.visible.disconnect(self._on_visible)
        self._before.pop(layer, None)
        layer.visible = True

    def end(self) -> None:
        """Show everything again as it was."""
        if not self._kept:
            return
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        for layer, visible in self._before.items():
            if layer not in self._kept:
                layer.events.visible.disconnect(self._on_visible)
            if layer in self._viewer.layers:
                layer.visible = visible
        for dock in self._docks:
            dock.show()
        self._kept, self._before, self._docks = set(), {}, []

    def _hide(self, layer: Layer) -> None:
        if layer in self._kept:
            return
        self._before[layer] = layer.visible
        layer.visible = False
        layer.events.visible.connect(self._on_visible)

    def _on_inserted(self, event: Event) -> None:
        self._hide(event.value)

    def _on_visible(self, event: Event) -> None:
        """Hide what was made visible: a preview, a result that has just come."""
        if event.source.visible:
            self._before[event.source] = True
            event.source.visible = False
