"""Files of results: masks, overlays, tables."""
