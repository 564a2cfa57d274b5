"""Pretraining: learn an encoder on unlabelled micrographs, by contrast."""

from napari_matssl.tasks.pretrain.job import PretrainResult, checkpoint_path, pretrain

__all__ = ["PretrainResult", "checkpoint_path", "pretrain"]
