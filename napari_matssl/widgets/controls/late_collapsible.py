"""A part of a panel that can be folded away."""

from collections.abc import Callable

from qtpy.QtGui import QIcon
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
        self._drop_icon()
        self.toggled.connect(self._say)

    def _drop_icon(self) -> None:
        """Leave the arrow to the text: superqt's icons are black in any theme."""
        self.toggleButton().setIcon(QIcon())

    def _say(self, expanded: bool) -> None:
        self._drop_icon()
        self.setText(f"{'▾' if expanded else '▸'} {self._title}")
        self.content().setVisible(expanded)  # else Tab reaches hidden fields

    def expand(self, animate: bool = True) -> None:
        """Expand; Qt's animation needs the full height before."""
        if self._build is not None:
            build, self._build = self._build, None
            build()
        super().expand(animate)
