"""Fine-tuning: train U-Net++, or fit a pixel classifier, on painted micrographs."""
