"""Plain keys that the user has given to actions of napari: they come before ours."""

from napari.settings import get_settings
from qtpy.QtCore import Qt


def users_keys() -> frozenset[Qt.Key]:
    """Return letters and digits of shortcuts that napari doesn't have by default."""
    kept = get_settings().shortcuts
    defaults = type(kept)().shortcuts
    own = {
        str(binding)
        for action, bindings in kept.shortcuts.items()
        for binding in bindings
        if binding not in defaults.get(action, [])
    }
    keys = (getattr(Qt.Key, f"Key_{text}", None) for text in own if len(text) == 1)
    return frozenset(key for key in keys if key is not None)
