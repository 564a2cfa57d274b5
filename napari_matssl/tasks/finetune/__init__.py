"""Fine-tuning: train U-Net++, or fit a pixel classifier, on painted micrographs."""

from napari_matssl.tasks.finetune.job import FinetuneResult, finetune

__all__ = ["FinetuneResult", "finetune"]
