"""Dock widgets for napari: the only folder that knows napari and Qt."""
