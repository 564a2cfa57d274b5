"""The panels, and what is in one of them only."""
