"""The open folder in napari's viewer: image, strokes, segmentation, and saving them."""
