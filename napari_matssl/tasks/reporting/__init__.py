"""Write reports of what was measured."""
