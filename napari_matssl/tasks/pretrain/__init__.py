"""Pretraining: learn an encoder on unlabelled micrographs, by contrast."""
