"""Hands for benchmarks/monkey.py: a mouse and keyboard of the X server, or Qt's own events."""

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

BUTTONS = {"left": 1, "middle": 2, "right": 3}

Point = tuple[int, int]
"""Column and row on the screen, px."""


class XHand:
    """Events of the X server, made by one long-lived xdotool through the XTEST extension.

    They take the way of a real mouse's: through the window manager, Qt's queue, and whatever
    window is under the pointer or has the focus.
    """

    def __init__(self) -> None:
        self._tool = subprocess.Popen(
            ["xdotool", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._sent = self._done = 0
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether the server has taken all events. The window may not have handled them yet."""
        return self._done >= self._sent

    def drag(self, path: Sequence[Point], button: str, pause_ms: int = 0) -> None:
        """Press at the first point, move through the others, let go at the last."""
        number = BUTTONS[button]
        lines = [_move(path[0]), f"mousedown {number}"]
        for point in path[1:]:
            lines += [f"sleep {pause_ms / 1000}"] if pause_ms else []
            lines.append(_move(point))
        self._send([*lines, f"mouseup {number}"])

    def hover(self, path: Sequence[Point]) -> None:
        """Move without a button."""
        self._send([_move(point) for point in path])

    def wheel(self, point: Point, up: bool) -> None:
        """Turn the wheel by a notch."""
        self._send([_move(point), f"click {4 if up else 5}"])

    def key(self, name: str) -> None:
        """Press and release a key, such as ``ctrl+z``."""
        self._send([f"key --delay 1 {name}"])

    def hold(self, name: str, down: bool) -> None:
        """Press a key and keep it down, or let it go."""
        self._send([f"key{'down' if down else 'up'} --delay 1 {name}"])

    def close_window(self) -> None:
        """Close the window that is active as its title bar would; needs a window manager."""
        self._send(["key --delay 1 alt+F4"])

    def _send(self, lines: Sequence[str]) -> None:
        self._sent += 1
        # The server answers once it has taken what came before. (Asked for the mouse, xdotool looks
        # for the window below it, and ends if that has just gone.)
        self._tool.stdin.write("\n".join([*lines, "get_num_desktops"]) + "\n")
        self._tool.stdin.flush()

    def _listen(self) -> None:
        for _answer in self._tool.stdout:
            self._done += 1


def _move(point: Point) -> str:
    return f"mousemove {point[0]} {point[1]}"


class QtHand:
    """Qt's own events, sent one after the other by a timer: they need no xdotool."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self._queue: list = []
        self._timer = QTimer()
        self._timer.timeout.connect(self._next)
        self._timer.start(1)
        self._target = None  # has the mouse while a button is down
        self._at: Point = (0, 0)

    @property
    def done(self) -> bool:
        """Whether all events were sent."""
        return not self._queue

    def drag(self, path: Sequence[Point], button: str, pause_ms: int = 0) -> None:
        """Press at the first point, move through the others, let go at the last."""
        self.hover(path[:1])
        self._queue.append(lambda: self._mouse("MouseButtonPress", path[0], button, button))
        for point in path[1:]:
            self._queue.append(lambda point=point: self._mouse("MouseMove", point, None, button))
        self._queue.append(lambda: self._mouse("MouseButtonRelease", path[-1], button, None))

    def hover(self, path: Sequence[Point]) -> None:
        """Move without a button."""
        for point in path:
            self._queue.append(lambda point=point: self._mouse("MouseMove", point, None, None))

    def wheel(self, point: Point, up: bool) -> None:
        """Move there; no wheel is turned."""
        self.hover([point])

    def key(self, name: str) -> None:
        """Press and release a key, such as ``ctrl+z``."""
        from qtpy.QtTest import QTest

        key, modifiers = _key(name)
        self._queue.append(lambda: QTest.keyClick(self._focus(), key, modifiers))

    def hold(self, name: str, down: bool) -> None:
        """Press a key and keep it down, or let it go."""
        from qtpy.QtTest import QTest

        act = QTest.keyPress if down else QTest.keyRelease
        key, modifiers = _key(name)
        self._queue.append(lambda: act(self._focus(), key, modifiers))

    def close_window(self) -> None:
        """Close the window that is in front."""
        from qtpy.QtWidgets import QApplication

        self._queue.append(lambda: (QApplication.activeModalWidget() or self._main()).close())

    def _next(self) -> None:
        if self._queue:
            self._queue.pop(0)()

    def _main(self):
        from napari import current_viewer

        return current_viewer().window._qt_window

    def _focus(self):
        from qtpy.QtWidgets import QApplication

        inside = QApplication.activePopupWidget() or QApplication.focusWidget()
        return inside or QApplication.widgetAt(*self._at) or self._main()

    def _mouse(self, kind: str, point: Point, button: str | None, held: str | None) -> None:
        from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        self._at = point
        target = self._target or QApplication.widgetAt(*point)
        if target is None:
            return
        if kind == "MouseButtonPress":
            self._target = target
        if kind == "MouseButtonRelease":
            self._target = None
        named = {None: Qt.MouseButton.NoButton}
        named |= {n: getattr(Qt.MouseButton, f"{n.title()}Button") for n in BUTTONS}
        event = QMouseEvent(
            getattr(QEvent.Type, kind),
            QPointF(target.mapFromGlobal(QPoint(*point))),
            QPointF(*point),
            named[button],
            named[held],
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(target, event)


def _key(name: str):
    from qtpy.QtCore import Qt

    *held, last = name.split("+")
    modifiers = Qt.KeyboardModifier.NoModifier
    for one in held:
        word = {"ctrl": "Control", "shift": "Shift", "alt": "Alt"}[one]
        modifiers |= getattr(Qt.KeyboardModifier, f"{word}Modifier")
    title = last if last in ("Escape", "Return") else last.upper()
    return getattr(Qt.Key, f"Key_{title}"), modifiers


_MANAGER = """<openbox_config xmlns="http://openbox.org/3.4/rc">
<focus><focusNew>yes</focusNew><followMouse>yes</followMouse></focus>
<keyboard><keybind key="A-F4"><action name="Close"/></keybind></keyboard>
<mouse/></openbox_config>"""
"""Windows have the focus when the mouse is over them. By its own settings openbox takes each click
before the window does, and the X server merges moves and clicks that come meanwhile."""


def start_window_manager(place: Path) -> subprocess.Popen:
    """Start openbox, without which no window is active or closed by a key."""
    settings = place / "openbox.xml"
    settings.write_text(_MANAGER)
    return subprocess.Popen(
        ["openbox", "--sm-disable", "--config-file", str(settings)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
