"""``python -m napari_matssl``: the command line."""

from napari_matssl.cli import main

main()
