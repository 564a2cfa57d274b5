"""All that is torch: encoders, gated fusion, the contrastive loss, views, U-Net++, model files."""
