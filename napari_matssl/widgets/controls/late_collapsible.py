"""A part of a panel that can be folded away."""

from collections.abc import Callable

from qtpy.QtCore import QSize
from superqt import QCollapsible


class LateCollapsible(QCollapsible):
    """A collapsible part that is built when it is first opened."""

    def __init__(self, title: str, build: Callable[[], None]) -> None:
        super().__init__(f"▸ {title}")
        self._title = title
        self._build: Callable[[], None] | None = build
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.toggleButton().setStyleSheet(
            "QPushButton {text-align: left; border: none; background: transparent}"
            "QPushButton:focus {text-decoration: underline}"
        )
        # The arrow is text: superqt's icons are black in any theme, and it takes no empty ones.
        self.toggleButton().setIconSize(QSize(0, 0))
        self.toggled.connect(self._say)

    def _say(self, expanded: bool) -> None:
        self.setText(f"{'▾' if expanded else '▸'} {self._title}")
        self.content().setVisible(expanded)  # else Tab reaches hidden fields

    def expand(self, animate: bool = True) -> None:
        """Expand; Qt's animation needs the full height before."""
        if self._build is not None:
            build, self._build = self._build, None
            build()
        super().expand(animate)
