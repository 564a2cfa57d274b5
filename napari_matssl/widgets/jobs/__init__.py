"""Running jobs beside the window."""
