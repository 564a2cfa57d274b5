"""Segment images: many, panoramas, those of a project, on the workers of a cluster."""
