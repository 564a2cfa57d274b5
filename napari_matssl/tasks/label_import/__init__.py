"""Annotations of other programs taken into a project, and taken back."""
