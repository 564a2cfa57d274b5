"""A folder of micrographs and what belongs to it: classes, painted labels, masks, models."""
