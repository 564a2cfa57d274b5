"""What the user prefers in any folder, as napari keeps it: File > Preferences > MatSSL."""

from dataclasses import dataclass

try:
    from napari.settings import get_plugin_settings
except ImportError:  # before napari 0.9, plugins had no preferences
    get_plugin_settings = None

PLUGIN = "napari-matssl"


@dataclass(frozen=True)
class Preferences:
    """What ``configurations`` in napari.yaml offers, with its defaults."""

    folder: str = ""
    """Where dialogs begin to look for micrographs; empty: where Qt does."""
    device: str = "auto"
    """Device of forms that nobody has changed."""
    saving: float = 0.7
    """Time from a stroke to its saving, s."""
    mask_opacity: float = 0.5
    """Of a segmentation, until it is changed in the window."""
    mask_outlines: bool = False
    """Whether a segmentation is drawn as outlines."""


def preferences() -> Preferences:
    """Return what is set now; the defaults where napari keeps nothing of the plugin."""
    if get_plugin_settings is None:
        return Preferences()
    kept = get_plugin_settings().get(PLUGIN)
    if kept is None:  # it is switched off, and its panels were opened by a script
        return Preferences()
    return Preferences(**kept.panels.model_dump())
