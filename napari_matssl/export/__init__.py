"""What leaves the program: mask files, overlay pictures, tables."""
