"""Results of work on images that are kept as long as the images are."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class OfImages(Generic[T]):
    """What was worked out of images, for as long as these are in use.

    Images are equal to themselves alone, so another one is never taken for one that is known.

    Parameters
    ----------
    work
        Called with an image and how it is to be done, which has to be hashable.
    """

    def __init__(self, work: Callable[..., T]) -> None:
        self._work = work
        self._known: WeakKeyDictionary[object, dict[tuple[Any, ...], T]] = WeakKeyDictionary()

    def __call__(self, image: object, *how: Any) -> T:
        """Return what comes of an image, which is worked out the first time."""
        known = self._known.setdefault(image, {})
        if how not in known:
            known[how] = self._work(image, *how)
        return known[how]

    def forget(self) -> None:
        """Drop all of it."""
        self._known.clear()
