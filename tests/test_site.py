"""The documentation: links lead somewhere, and messages that it explains are ours."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page):
    """Of the headings, as the forge and the site make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return {re.sub(r"-+", "-", one) for one in plain} | {*plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for file, heading in LINK.findall(page.read_text("utf-8")):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        if heading and target.suffix == ".md":
            assert heading in anchors(target), f"{file}#{heading}"


def test_the_site_has_every_page_once():
    nav = re.findall(r"([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(nav) == sorted(page.name for page in DOCS.glob("*.md"))


def test_messages_that_are_explained_are_messages_of_the_program():
    sources = [path.read_text("utf-8") for path in (ROOT / "napari_matssl").rglob("*.py")]
    joined = re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    explained = re.findall(r"^\| \*([^*]+)\* \|", page, re.MULTILINE)
    assert len(explained) > 20
    assert [one for one in explained if one not in joined] == []
