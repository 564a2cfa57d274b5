"""Dock widgets for napari: the only folder that imports napari and Qt."""
