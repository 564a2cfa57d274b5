"""Tables in the docs that a script writes again: they stand between two marks that name it."""

from pathlib import Path

from napari_matssl.files import atomic_write


def write_between_marks(script: str, text: str, path: Path) -> None:
    """Replace what stands between the marks of a script in a Markdown file.

    Raises
    ------
    ValueError
        If the file lacks the marks.
    """
    begin, end = f"<!-- begin: {script} -->", f"<!-- end: {script} -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _old, found_too, after = rest.partition(end)
    if not found or not found_too:
        raise ValueError(f"{path} lacks the lines {begin} and {end}.")
    with atomic_write(path) as temporary:
        temporary.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")
