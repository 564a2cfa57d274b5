"""Annotations of other programs: a common form, and one module for each format."""
