"""Models as files for other programs."""

from napari_matssl.tasks.exporting.job import ExportedModel, Format, export_model

__all__ = ["ExportedModel", "Format", "export_model"]
