"""The program: ``napari-matssl`` and ``python -m napari_matssl``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded ends it without a word more."""
    try:
        from napari_matssl.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
