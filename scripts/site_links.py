"""Links of the site that lead out of docs: they go to the files in the repository."""

import re

REPOSITORY = "https://github.com/napari-matssl/napari-matssl/blob/main/"


def on_page_markdown(markdown: str, **_given: object) -> str:
    """Make links to files beside docs absolute."""
    return re.sub(r"\]\(\.\./", f"]({REPOSITORY}", markdown)
