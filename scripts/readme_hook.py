"""Make the README's links absolute when the package is built: an index has no files beside it."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

REPOSITORY = "https://github.com/napari-matssl/napari-matssl/blob/main/"
PICTURES = "https://raw.githubusercontent.com/napari-matssl/napari-matssl/main/"


def with_absolute_links(text: str) -> str:
    """Lead links to files of the repository, and pictures to their content."""
    text = re.sub(r"!\[([^]]*)\]\((?!https?:)([^)]*)\)", rf"![\1]({PICTURES}\2)", text)
    return re.sub(r"\]\((?!https?:|#)([^)]*)\)", rf"]({REPOSITORY}\1)", text)


class CustomMetadataHook(MetadataHookInterface):
    """Called by hatchling."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Give the package its description."""
        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": with_absolute_links(text)}
