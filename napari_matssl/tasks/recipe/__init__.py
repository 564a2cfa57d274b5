"""Recipes: a locked way from images to a report, in one file."""
