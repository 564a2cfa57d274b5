"""Widgets that know neither viewer nor session: data in by methods, out by signals."""
