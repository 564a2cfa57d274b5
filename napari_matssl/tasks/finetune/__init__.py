"""Fine-tuning: train U-Net++, or fit a pixel classifier, on painted micrographs."""

from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.result import FinetuneResult

__all__ = ["FinetuneResult", "finetune"]
