"""Widgets without viewer or session: data in by methods, out by signals."""
