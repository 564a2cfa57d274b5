"""The seal of a page: what stands in each part of its HTML, whatever way it is written.

Not the bytes are sealed but elements, attributes and texts, so that line ends and blanks, which
mail programs and browsers change, don't count.
"""

import json
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

from markupsafe import Markup

from napari_matssl.errors import InputError
from napari_matssl.report.contents import SourceFile
from napari_matssl.report.seal import Finding, Seal, State, digest, grouped

PLACE: Final = "<!--seal-->"
"""What a page has where its seal belongs."""

SEAL: Final = "seal"
PAGE: Final = "rest of the page"
"""Name of what stands in no part."""

_VOID: Final = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "wbr"})


@dataclass(frozen=True)
class SealedPage:
    """What a page holds.

    Parameters
    ----------
    parts
        Of today.
    seal
        Lines of the seal that it was given; empty for a page without one.
    stated
        Names and checksums that the seal lists.
    files
        That it names.
    twice
        Names of parts that stand there more than once.
    """

    parts: Seal
    seal: tuple[str, ...]
    stated: Seal
    files: tuple[SourceFile, ...]
    twice: tuple[str, ...]


def sealed(html: str) -> str:
    """Put the seal into a page that has a place for it."""
    return html.replace(PLACE, str(_render(read_page(html).parts)))


def check_page(html: str, name: str) -> tuple[str, list[Finding], tuple[SourceFile, ...]]:
    """Compare a page with its seal.

    Returns
    -------
    The checksum of the page as it is now, what was found of its parts, and the files that it names.

    Raises
    ------
    InputError
        If it has no seal.
    """
    page = read_page(html)
    if not page.seal:
        raise InputError(
            f"{name} has no checksums, so it is no report of this program.",
            "Give the report.html or report.xlsx of a measurement.",
        )
    findings = page.stated.compare(page.parts)
    findings += [Finding("part", one, State.CHANGED) for one in page.twice]
    expected = read_page(str(_render(page.stated))).seal
    right = expected == page.seal
    findings.append(Finding("part", "checksums", State.UNCHANGED if right else State.CHANGED))
    return page.parts.checksum, findings, page.files


def read_page(html: str) -> SealedPage:
    """Read the parts of a page, its seal and the files that it names."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.flush()
    counts = Counter(reader.order)
    inside = [(name, digest(reader.events[name])) for name in dict.fromkeys(reader.order)]
    parts = Seal((*((n, d) for n, d in inside if n != SEAL), (PAGE, digest(reader.events[PAGE]))))
    twice = tuple(name for name, count in counts.items() if count > 1)
    return SealedPage(
        parts, tuple(reader.events.get(SEAL, ())), Seal(tuple(reader.stated)),
        tuple(reader.files), twice,
    )  # fmt: skip


def _render(seal: Seal) -> Markup:
    """Make the seal: a table of all parts, the checksum of the page, and its foot in print."""
    rows = Markup("").join(
        Markup(
            '<tr data-sealed="{}" data-sha256="{}"><td>{}</td><td class="sha">{}</td></tr>'
        ).format(name, sha256, name, sha256)
        for name, sha256 in seal.parts
    )
    style = (
        '@page { @bottom-left { content: "napari-matssl \\00b7  checksum '
        f'{seal.checksum[:8]}…" }} }}'
    )
    return Markup(
        '<section data-part="seal"><style>{}</style><h2>Checksum of this page</h2>'
        '<p class="checksum">{}</p>'
        '<table class="seal"><thead><tr><th>part</th><th>SHA-256</th></tr></thead>'
        "<tbody>{}</tbody></table></section>"
    ).format(Markup(style), grouped(seal.checksum), rows)


@dataclass
class _Open:
    tag: str
    part: str


class _Reader(HTMLParser):
    """Turns a page into one line per element and text, by the part in which it stands."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.events: dict[str, list[str]] = {PAGE: []}
        self.order: list[str] = []
        self.stated: list[tuple[str, str]] = []
        self.files: list[SourceFile] = []
        self._open: list[_Open] = []
        self._text: list[str] = []

    @property
    def _part(self) -> str:
        return self._open[-1].part if self._open else PAGE

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.flush()
        facts = {name: value or "" for name, value in attrs}
        part = self._part
        if part == PAGE and (named := facts.get("data-part")):
            if named != SEAL:  # which is put in after the rest has its checksum
                self._note(["part", named])
            part = named
            self.order.append(named)
            self.events.setdefault(named, [])
        self._note([tag, sorted(facts.items())], part)
        self._take(facts, part)
        if tag not in _VOID:
            self._open.append(_Open(tag, part))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self.flush()
        if not any(one.tag == tag for one in self._open):
            self._note(["stray", tag])
            return
        while self._open:
            one = self._open.pop()
            self._note(["end", one.tag], one.part)
            if one.tag == tag:
                return

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def flush(self) -> None:
        """Note the text that has been gathered."""
        text = " ".join("".join(self._text).split())
        self._text.clear()
        if text:
            self._note(["text", text])

    def _note(self, event: list[object], part: str | None = None) -> None:
        self.events[part or self._part].append(json.dumps(event))

    def _take(self, facts: dict[str, str], part: str) -> None:
        """Keep what the page states of its parts and of files."""
        if part == SEAL and "data-sealed" in facts:
            self.stated.append((facts["data-sealed"], facts.get("data-sha256", "")))
        if "data-place" in facts and part != SEAL:
            self.files.append(
                SourceFile(
                    facts.get("data-role", ""),
                    facts.get("data-name", ""),
                    facts["data-place"],
                    facts.get("data-sha256", ""),
                )
            )
