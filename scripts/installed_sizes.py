"""List what an installation brings, with the sizes on disk, as a table in Markdown.

    python scripts/installed_sizes.py [--extras pyqt6]

It installs the clone into a new virtual environment, which is removed afterwards; --environment
takes one that is there. Sizes are those of the files that pip has recorded for each distribution.
"""

import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]

SMALL_MB = 20
"""Distributions below are counted together."""

_CUDA = ("nvidia-", "cuda-", "triton")


def megabytes(one: Distribution) -> float:
    """Sum up the files of a distribution, in MB of a million bytes."""
    places = (Path(str(file.locate())) for file in one.files or ())
    return sum(place.stat().st_size for place in places if place.is_file()) / 1e6


def table(sizes: dict[str, float]) -> str:
    """Make the table: the large ones, CUDA's together, the small ones together.

    Parameters
    ----------
    sizes
        MB by distribution.
    """
    cuda = {name: size for name, size in sizes.items() if name.startswith(_CUDA)}
    others = {name: size for name, size in sizes.items() if name not in cuda}
    large = {name: size for name, size in others.items() if size >= SMALL_MB}
    small = [size for name, size in others.items() if name not in large]
    rows = [(f"`{name}`", size) for name, size in large.items()]
    rows += [(f"CUDA ({len(cuda)} packages)", sum(cuda.values()))] if cuda else []
    rows.sort(key=lambda row: -row[1])
    rows += [(f"{len(small)} others, below {SMALL_MB} MB each", sum(small))]
    rows += [(f"all {len(sizes)}", sum(sizes.values()))]
    return "\n".join(["| what | MB |", "|---|---|", *(f"| {a} | {b:,.0f} |" for a, b in rows)])


def install(place: Path, extras: str) -> None:
    """Install the clone into a new environment."""
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    wanted = f"{ROOT}[{extras}]" if extras else str(ROOT)
    bin_folder = "Scripts" if sys.platform == "win32" else "bin"
    subprocess.run([place / bin_folder / "python", "-m", "pip", "install", wanted], check=True)


def main() -> None:
    """Read the options, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extras", default="", help="pyqt6, for example")
    parser.add_argument("--environment", type=Path, help="a virtual environment that is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = options.environment or Path(folder) / "environment"
        if options.environment is None:
            install(place, options.extras)
        libraries = [str(one) for one in place.glob("**/site-packages")]
        found = {one.name.lower(): megabytes(one) for one in distributions(path=libraries)}
        for tool in ("pip", "setuptools"):
            found.pop(tool, None)
        print(table(found))


if __name__ == "__main__":
    main()
