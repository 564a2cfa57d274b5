"""What benchmarks/monkey.py does in a window, one random thing after another."""

import os
import time
from collections.abc import Callable

import numpy as np
from monkey_desk import PATIENCE_S, SAVED_S, Act, Desk
from monkey_shadow import after_fill, after_stroke

DOCKS = ("All panels", "Micrographs", "Pretrain", "Fine-tune", "Segment", "Measure")
SIZES = ((1280, 800), (1500, 920), (1100, 700))
TOOLS = ("p", "p", "p", "e", "f", "l", "z", "m", "x", "b", "v", "bracketleft", "bracketright")
MOST_LAYERS = 3


class Monkey(Desk):
    """Somebody who does anything at all, and keeps watch over the strokes."""

    def __init__(self, *arguments, seconds: float, end: str) -> None:
        super().__init__(*arguments)
        self.until, self.end = time.monotonic() + seconds, end
        self.acts = (
            [self.stroke] * 10 + [self.digit] * 3 + [self.step] * 4 + [self.undo] * 4
            + [self.right_click] * 2 + [self.middle_click, self.wheel, self.tool, self.tool]
            + [self.peek, self.other_layer, self.delete_layer, self.menu_undo]
            + [self.open_dock] * 2 + [self.close_dock, self.float_dock, self.fold, self.fold]
            + [self.theme, self.resize, self.click_row, self.exclude, self.add_layer]
            + [self.instant, self.instant, self.segment, self.segment_all, self.copy]
            + [self.clean, self.export, self.live, self.finish, self.cancel, self.reopen]
        )  # fmt: skip
        self._open(self.folders[0])
        self._run(self._begin())

    # --- one thing after another

    def _begin(self) -> Act:
        yield 800
        self._add_dock(DOCKS[0])
        yield 1200
        self.expect("at the start")

    def _run(self, act: Act, answer: object = None) -> None:
        """Let an act go on until it waits for something, with the answer to what it waited for."""
        from qtpy.QtCore import QTimer

        try:
            wish = act.send(answer)
        except StopIteration:
            QTimer.singleShot(self.random.choice((0, 5, 30, 100, 300)), self._next)
            return
        if callable(wish):
            self._wait(wish, time.monotonic() + PATIENCE_S, act)
        else:
            QTimer.singleShot(int(wish), lambda: self._run(act))

    def _wait(self, wish: Callable[[], object], until: float, act: Act) -> None:
        from qtpy.QtCore import QTimer

        answer = wish()
        if answer or time.monotonic() > until:
            self._run(act, answer)
        else:
            QTimer.singleShot(10, lambda: self._wait(wish, until, act))

    def _next(self) -> None:
        if time.monotonic() > self.until:
            self._run(self._leave())
            return
        self._run(self._one())

    def _one(self) -> Act:
        yield from self._answer_questions()
        act = self.random.choice(self.acts)
        self.heart.what = act.__name__
        self.say(act.__name__)
        yield from act()
        self.heart.what = f"after {act.__name__}"
        self.expect(act.__name__)
        self.check_saved()
        self.check_memory()

    def _answer_questions(self) -> Act:
        """Close menus, answer dialogs with any of their buttons."""
        from qtpy.QtWidgets import QApplication, QPushButton

        for _try in range(10):
            dialog = QApplication.activeModalWidget()
            if QApplication.activePopupWidget() is not None:
                self.hand.key("Escape")
                yield from self.settle()
            elif dialog is not None:
                buttons = [b for b in dialog.findChildren(QPushButton) if b.isVisible()]
                chosen = self.random.choice(buttons) if buttons else None
                self.say("question", dialog.windowTitle(), "" if chosen is None else chosen.text())
                pressed = yield from self.press(chosen)
                if not pressed:
                    self.hand.key("Escape")
                    yield from self.settle()
            else:
                return
        self.fail("a question can't be answered")

    # --- the mouse

    def stroke(self) -> Act:
        """Drag with the left button: quick or slow, a dot, a line or a curve."""
        yield from self._drag("left", self.random.choice((0, 1, 1, 2, 3, 6)))

    def right_click(self) -> Act:
        """Press the right button, at times while moving."""
        yield from self._drag("right", self.random.choice((0, 0, 2)))

    def middle_click(self) -> Act:
        """Press the middle button."""
        yield from self._drag("middle", 1)

    def _drag(self, button: str, moves: int) -> Act:
        path = [point for _ in range(moves + 1) if (point := self.free_place()) is not None]
        if not path or self.shown is None:
            return
        self.hand.hover(path[:1])
        yield from self.settle()
        shown, brush = self.shown, self.brush() if button == "left" else None
        mode = str(shown.painted.mode)
        points = [self.to_image(point) for point in path]
        before = shown.painted.data.copy()
        self.expect("before a stroke")
        self.hand.drag(path, button, self.random.choice((0, 0, 1, 8, 25)))
        yield from self.settle()
        if self.shown is not shown:
            self.fail("the image has changed during a stroke")
        self._judge(before, points, brush, mode, button)

    def _judge(self, before, points, brush, mode: str, button: str) -> None:
        """Say whether a drag has left what it ought to."""
        found, image = self.shown.painted.data, self.image()
        if button == "left" and (mode == "polygon" or (mode == "fill" and len(points) > 1)):
            image.change(found)  # polygons aren't modelled, nor buckets that are dragged along
        elif brush is None:
            self.expect(f"a drag of the {button} button in mode {mode}")
        elif mode == "fill":
            states = after_fill(before, points[0], brush)
            if not any(np.array_equal(found, state) for state in states):
                self.fail("a fill has left what no fill can")
            image.change(found)
        else:
            wanted, wrong = after_stroke(before, found, points, brush)
            if wrong:
                np.save(self.place / "found.npy", found)
                np.save(self.place / "before.npy", before)
                self.fail(f"{wrong}: {len(points)} points {np.round(points, 1).tolist()}, {brush}")
            image.change(wanted)
            self.counts["strokes"] += 1
            self.counts["painted"] += int(not np.array_equal(before, found))
        if not np.array_equal(before, found):
            self.changed()

    def wheel(self) -> Act:
        """Zoom a little, and back to the whole image at times."""
        place = self.free_place()
        if place is not None:
            self.hand.wheel(place, self.random.random() < 0.5)
            yield from self.settle()
        if self.random.random() < 0.3:
            self.viewer.reset_view()
        yield 10

    # --- keys

    def _to_canvas(self) -> Act:
        """Bring the mouse over the image, where keys count; whether that was possible."""
        place = self.free_place()
        if place is None:
            return False
        self.hand.hover([place])
        yield from self.settle()
        return self.shown is not None

    def digit(self) -> Act:
        """Pick a class by its key, or press one that no class has."""
        there = yield from self._to_canvas()
        if not there:
            return
        number, classes = self.random.choice((1, 1, 2, 2, 3, 7)), self.session.palette.classes
        picked, counts = self.session.palette.picked, self.keys_count()
        self.hand.key(str(number))
        yield from self.settle()
        wanted = classes[number - 1].id if number <= len(classes) else picked
        if counts and self.session.palette.picked != wanted:
            self.fail(f"key {number} picked {self.session.palette.picked}, not {wanted}")

    def step(self) -> Act:
        """Go to another image by its key; the strokes of the last one are on disk at once."""
        there = yield from self._to_canvas()
        if not there:
            return
        key, by = self.random.choice((("a", -1), ("d", 1)))
        counts, name = self.keys_count(), self.shown.name
        wanted = self.session.folder.neighbour(name, by) or name
        self.hand.key(key)
        yield from self.settle()
        if counts:
            came = yield lambda: self.shown is not None and self.shown.name == wanted
            if not came:
                self.fail(f"key {key} went from {name} to {self.shown and self.shown.name}")
        self._arrived()

    def _arrived(self) -> None:
        """Compare what is shown after a step, and what was left."""
        self.counts["steps"] += 1
        self.changed_at = 0.0
        self.check_disk(self.folder, but=self.shown and self.shown.name)
        self.expect("after a step")

    def undo(self) -> Act:
        """Undo or redo by keys."""
        there = yield from self._to_canvas()
        if not there:
            return
        again = self.random.random() < 0.4
        active = self.viewer.layers.selection.active is self.shown.painted
        counts = self.keys_count() and self.shown.painted.visible
        self.hand.key("ctrl+shift+z" if again else "ctrl+z")
        yield from self.settle()
        self._undone(again, active, counts)

    def _undone(self, again: bool, possible: bool, certain: bool) -> None:
        image, found = self.image(), self.shown.painted.data
        wanted = image.take_back(again) if possible else image.ids
        if np.array_equal(found, wanted) and not np.array_equal(wanted, image.ids):
            image.taken_back(again)
            self.counts["undone"] += 1
            self.changed()
        elif certain:
            self.expect(f"{'redo' if again else 'undo'} by key")

    def menu_undo(self) -> Act:
        """Undo from the menu of the right button."""
        there = yield from self._to_canvas()
        place = self.free_place()
        if not there or place is None:
            return
        self.hand.drag([place], "right")
        yield from self.settle()
        menu = self.session.menu.menu
        came = yield menu.isVisible
        if not came or self.shown is None:
            self.fail("a right click opened no menu")
        action = next(one for one in menu.actions() if one.text().startswith("Undo"))
        if action.isEnabled() != bool(self.image().undo):
            self.fail(f"the menu offers undo: {action.isEnabled()}")
        if not action.isEnabled():
            return
        yield from self.pick(menu, "Undo")
        self._undone(False, True, True)

    def pick(self, menu, text: str) -> Act:
        """Click an entry of an open menu; whether there is one."""
        action = next((a for a in menu.actions() if a.text().startswith(text)), None)
        if action is None or not action.isEnabled():
            return False
        middle = menu.mapToGlobal(menu.actionGeometry(action).center())
        self.hand.drag([(middle.x(), middle.y())], "left")
        yield from self.settle()
        return True

    def tool(self) -> Act:
        """Take another tool, by any of napari's keys; mostly back to the brush."""
        there = yield from self._to_canvas()
        if there:
            self.hand.key(self.random.choice(TOOLS))
            yield from self.settle()
            if not self.shown.painted.visible and self.random.random() < 0.8:
                self.shown.painted.visible = True

    def peek(self) -> Act:
        """Hold the key that hides overlays, at times while painting."""
        there = yield from self._to_canvas()
        if not there:
            return
        self.hand.hold("h", True)
        yield from self.settle()
        if self.random.random() < 0.5:
            yield from self.stroke()
        self.hand.hold("h", False)
        yield from self.settle()

    # --- docks and layers

    def open_dock(self) -> Act:
        """Open a dock as napari's menu does."""
        name = self.random.choice(DOCKS)
        yield 1
        self._add_dock(name)
        yield 200

    def _add_dock(self, name: str) -> None:
        self.docks[name] = self.viewer.window.add_plugin_dock_widget("napari-matssl", name)

    def _dock(self):
        from qtpy.compat import isalive

        names = [n for n, (dock, _w) in self.docks.items() if isalive(dock) and dock.isVisible()]
        return self.docks[self.random.choice(names)][0] if names else None

    def close_dock(self) -> Act:
        """Close a dock by its cross, or hide it."""
        dock = self._dock()
        if dock is not None:
            cross = self.random.choice(("close_button", "hide_button"))
            yield from self.press(getattr(dock.titleBarWidget(), cross, None))

    def float_dock(self) -> Act:
        """Take a dock off the window, or put it back."""
        dock = self._dock()
        if dock is not None:
            pressed = yield from self.press(getattr(dock.titleBarWidget(), "float_button", None))
            if not pressed:
                dock.setFloating(not dock.isFloating())
            yield 100

    def fold(self) -> Act:
        """Open or fold a section of the shell."""
        shell = self.docks.get("All panels", (None, None))[1]
        if self.panel("Measure") is not None and hasattr(shell, "sections"):
            title = self.random.choice(sorted(shell.sections))
            yield from self.press(shell.sections[title].toggleButton())

    def theme(self) -> Act:
        """Switch between the dark and the light theme."""
        yield 1
        self.viewer.theme = "light" if self.viewer.theme == "dark" else "dark"
        yield 100

    def resize(self) -> Act:
        """Give the window another size."""
        yield 1
        self.window.resize(*self.random.choice(SIZES))
        yield 200

    def other_layer(self) -> Act:
        """Choose any layer; mostly the strokes again soon, by a class's key."""
        if len(self.viewer.layers):
            self.viewer.layers.selection.active = self.random.choice(list(self.viewer.layers))
        yield 1

    def delete_layer(self) -> Act:
        """Delete the painted labels: they come back."""
        shown = self.shown
        if shown is None:
            return
        self.viewer.layers.remove(shown.painted)
        back = yield lambda: shown.painted in self.viewer.layers
        if not back:
            self.fail("the deleted layer of strokes hasn't come back")

    def add_layer(self) -> Act:
        """Open an image in napari, and take it into the folder; or delete such a layer."""
        from napari.layers import Image

        ours = None if self.shown is None or not self.shown.own_image else self.shown.image
        theirs = [x for x in self.viewer.layers if isinstance(x, Image) and x is not ours]
        if len(theirs) >= MOST_LAYERS:
            self.viewer.layers.remove(theirs[0])
            yield 200
            return
        path = self.random.choice(sorted((self.place / "others").glob("*.tif")))
        self.viewer.open([str(path)], plugin="napari")
        yield 50
        panel = self.panel("Micrographs")
        if panel is None or self.session.folder.project is None:
            return
        pressed = yield from self.press(panel.opening.add_layer)
        if pressed:
            yield 200
            self._arrived()

    # --- the list of images

    def click_row(self) -> Act:
        """Open an image by a double click on its row."""
        name, place = yield from self._row()
        if place is None:
            return
        self.hand.drag([place], "left")
        self.hand.drag([place], "left")
        yield from self.settle()
        yield 100
        if self.shown is not None and self.shown.name == name:
            self._arrived()

    def exclude(self) -> Act:
        """Exclude an image, or take it in again, by the menu of its row."""
        from qtpy.QtWidgets import QApplication

        _name, place = yield from self._row()
        if place is None:
            return
        self.hand.drag([place], "right")
        yield from self.settle()
        menu = yield QApplication.activePopupWidget
        if menu is None:
            return
        picked = yield from self.pick(menu, "Exclude")
        if not picked:
            yield from self.pick(menu, "Take in again")

    def _row(self) -> Act:
        panel = self.panel("Micrographs")
        yield 1
        if panel is None or not panel.table.keys or not panel.table.isVisible():
            return "", None
        table = panel.table
        index = table.model().index(self.random.randrange(len(table.keys)), 0)
        table.scrollTo(index)
        yield 50
        from qtpy.QtWidgets import QApplication

        middle = table.viewport().mapToGlobal(table.visualRect(index).center())
        if QApplication.widgetAt(middle) is not table.viewport():
            return "", None
        return table.keys[index.row()], (middle.x(), middle.y())

    # --- jobs

    def _section(self, title: str) -> Act:
        """Unfold a panel; give it, or None if its dock is closed."""
        shell = self.docks.get("All panels", (None, None))[1]
        panel = self.panel(title)
        if panel is not None and hasattr(shell, "panels") and panel is shell.panels.get(title):
            shell.sections[title].expand(animate=False)
        yield 80
        return panel

    def instant(self) -> Act:
        """Train the instant classifier, or a network for a short time."""
        panel = yield from self._section("Fine-tune")
        if panel is None or not panel.start.isEnabled():
            return
        kind = self.random.choice(("pixel-classifier", "pixel-classifier", "auto"))
        panel.form.set_value("architecture", kind)
        panel.form.set_value("minutes", 0.2)
        yield from self.press(panel.start)
        yield 100

    def segment(self, target: int = 0) -> Act:
        """Run the newest model over this image."""
        panel = yield from self._section("Segment")
        if panel is not None and panel.start.isEnabled():
            panel.target.setCurrentIndex(target)
            yield from self.press(panel.start)
            yield 100

    def segment_all(self) -> Act:
        """Run the newest model over all images."""
        yield from self.segment(1)

    def clean(self) -> Act:
        """Clean the result by its sliders."""
        panel = yield from self._section("Segment")
        if panel is not None:
            slider = self.random.choice((panel.editor.sizes.region, panel.editor.sizes.hole))
            yield from self.press(slider)

    def copy(self) -> Act:
        """Copy the segmentation into the strokes."""
        panel = yield from self._section("Segment")
        if panel is None or self.shown is None or not panel.editor.copy.isEnabled():
            return
        shown = self.shown
        self.expect("before copying")
        pressed = yield from self.press(panel.editor.copy)
        if pressed and self.shown is shown:
            # What was in sight when the button was pressed may be another since: both are masks.
            found, before = shown.painted.data, self.image().ids
            kept = (found == before) | (found != 0)
            if not kept.all():
                self.fail("copying a segmentation has erased strokes")
            self.image().change(found)
            self.changed()

    def export(self) -> Act:
        """Export all results."""
        panel = yield from self._section("Measure")
        if panel is not None:
            yield 400
            yield from self.press(panel.exporting.export)
            yield 100

    def live(self) -> Act:
        """Switch the live preview."""
        panel = yield from self._section("Micrographs")
        if panel is not None:
            yield from self.press(panel.live)

    def _job_button(self, text: str) -> Act:
        from qtpy.QtWidgets import QPushButton

        buttons = [
            b for b in self.window.findChildren(QPushButton) if b.text() == text and b.isVisible()
        ]
        yield from self.press(buttons[0] if buttons else None)

    def finish(self) -> Act:
        """Finish the job now."""
        yield from self._job_button("Finish now")

    def cancel(self) -> Act:
        """Give the job up."""
        yield from self._job_button("Cancel")

    # --- folders, and the end

    def _open(self, folder) -> None:
        self.session.folder.open([folder])

    def reopen(self) -> Act:
        """Open the other folder, or the same again; all strokes are on disk, and come back."""
        yield 1
        last = self.folder if self.session.folder.project is not None else None
        if self.random.random() < 0.3:
            self.session.folder.close()
        self._open(self.random.choice(self.folders))
        if last is not None:
            self.shadow.forget_steps(last)
            self.check_disk(last, but=self.shown.name if last == self.folder else None)
        self.changed_at = 0.0
        yield 200
        self.expect("after opening")

    def _leave(self) -> Act:
        """End the round: by a kill, by closing right after a stroke, or with a job running."""
        yield from self._answer_questions()
        self.heart.what = f"end: {self.end}"
        if self.end == "job":
            yield from self.instant()
        else:
            yield from self.digit()
            yield from self.stroke()
        if self.end == "kill":
            yield 1000 * (SAVED_S + 0.5)
        self.check_saved()
        self.say("figures", *(f"{k}={v}" for k, v in self.counts.items()),
                 f"longest stall {self.heart.longest:.2f} s, own {self.heart.longest_own:.2f} s "
                 f"({self.heart.during})", f"{self.most_gb - self.start_gb:.2f} GB more",
                 f"latest save {self.latest_save:.1f} s")  # fmt: skip
        if self.end == "kill":
            os.kill(os.getpid(), 9)
        while True:  # until the window is gone, and the process with it
            self.window.activateWindow()
            yield 100
            self.hand.close_window()
            yield from self.settle()
            yield 300
            yield from self._answer_questions()
            yield 300
