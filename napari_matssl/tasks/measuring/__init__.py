"""Measure masks: of a project or on disk, all measures, their plan, places and tables."""
