"""ROIs of a stack: those that lie on the page that counts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from napari_matssl.labels.exchange.matching import Matched
from napari_matssl.labels.exchange.shapes import Annotation, StackPosition
from napari_matssl.labels.names import few


@dataclass(frozen=True)
class StackPage:
    """A page of a stack.

    Parameters
    ----------
    page
        Its number, from 1.
    sizes
        How many channels and slices the stack has, of which the channels follow one another first;
        None where that isn't known.
    """

    page: int
    sizes: tuple[int, int] | None = None

    def holds(self, position: StackPosition) -> bool:
        """Whether something at a position lies on the page."""
        if position.page:
            return position.page == self.page
        wanted = (position.channel, position.slice, position.frame)
        if self.sizes is None:  # the pages are those of the one axis along which there are several
            return sorted(wanted)[1] <= 1 and max(wanted) == self.page
        channels, slices = self.sizes
        rest, channel = divmod(self.page - 1, channels)
        frame, slice_ = divmod(rest, slices)
        own = (channel + 1, slice_ + 1, frame + 1)
        return all(n in (0, there) for n, there in zip(wanted, own, strict=True))


def has_positions(item: Matched) -> bool:
    """Whether some annotations of an image lie on certain pages of a stack."""
    return any(one.position is not None for _, part in item.parts for one in part.annotations)


def on_one_page(item: Matched, page: StackPage | None) -> tuple[Matched, str]:
    """Take the annotations that lie on the page that counts, and those that lie on all.

    Parameters
    ----------
    item
        An image that :func:`has_positions`.
    page
        That page; None if the file has no other. The first position is taken then: the image may
        have been saved out of a stack.

    Returns
    -------
    The image with these annotations, and a line on what was taken and left out; empty if nothing
    is to be told.
    """
    every = [one for _, part in item.parts for one in part.annotations]
    positions = {one.position for one in every if one.position is not None}
    first = min(positions, key=lambda position: (not position.is_first, position))

    def is_taken(one: Annotation) -> bool:
        if one.position is None:
            return True
        if page is not None:
            return page.holds(one.position)
        return one.position.is_first if first.is_first else one.position == first

    parts = tuple(
        (file, replace(part, annotations=tuple(filter(is_taken, part.annotations))))
        for file, part in item.parts
    )
    return replace(item, parts=parts), _in_words(item.path.name, every, is_taken, page, first)


def _in_words(
    name: str,
    every: list[Annotation],
    is_taken: Callable[[Annotation], bool],
    page: StackPage | None,
    first: StackPosition,
) -> str:
    left = [one.position for one in every if one.position is not None and not is_taken(one)]
    if not left and (page is not None or first.is_first):
        return ""
    counts = f"page {page.page} counts" if page is not None else f"those of {first} are drawn"
    if not left:
        return f"{name} has one page, and its ROIs are of a stack: {counts}."
    others = few([str(position) for position in sorted(set(left))], 5)
    rois = "1 ROI is" if len(left) == 1 else f"{len(left)} ROIs are"
    return f"{name}: {counts}, {rois} left out: {others}."
