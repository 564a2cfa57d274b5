"""All moves of the mouse, where Qt would hand over the last of those that wait."""

from typing import ClassVar

from qtpy.QtCore import QCoreApplication, Qt

_MERGING = Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents


class Moves:
    """Keep Qt from merging moves while a folder is open; restore its behaviour afterwards.

    On X11 it drops all moves that wait but the last, past the buttons, too. In a window that was
    busy for a moment a quick curve is then a straight line.
    """

    _keepers: ClassVar[set[int]] = set()
    _merged_before: ClassVar[bool] = False

    def keep(self) -> None:
        """Have all moves handed over from now on."""
        if not self._keepers:
            Moves._merged_before = QCoreApplication.testAttribute(_MERGING)
            QCoreApplication.setAttribute(_MERGING, False)
        self._keepers.add(id(self))

    def let_go(self) -> None:
        """Need them no more."""
        if id(self) not in self._keepers:
            return
        self._keepers.discard(id(self))
        if not self._keepers:
            QCoreApplication.setAttribute(_MERGING, Moves._merged_before)
