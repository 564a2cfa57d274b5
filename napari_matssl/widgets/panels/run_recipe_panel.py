"""The panel that runs a recipe: choose a folder, type the specimen, run, look, sign."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from pydantic import ValidationError
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from napari_matssl.progress import Job
from napari_matssl.settings.report_details import LONGEST, ReportDetails
from napari_matssl.tasks.recipe.recipe_file import SUFFIX, RecipeFile, read_recipe
from napari_matssl.widgets.canvas.overlay_picture import OverlayPicture
from napari_matssl.widgets.controls.folder_field import FolderField
from napari_matssl.widgets.controls.forms import (
    WrappedLabel,
    bring_into_sight,
    button,
    note,
    offer,
    show_in_files,
    side_by_side,
)
from napari_matssl.widgets.controls.recent import RecentFolders
from napari_matssl.widgets.controls.verdict_list import VerdictList
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.session import session_of

if TYPE_CHECKING:  # imports torch
    from napari_matssl.tasks.recipe.running import RecipeRun

_OWNER = "recipe"
_SIGNING = "signing"

_INTRO = "Choose recipe and folder, type the specimen, run, look, sign. All else is the recipe's."
_RUN_TIP = "Segment, measure and judge all images of the folder, and write the report."
_SIGN_TIP = (
    "Write your name and the time into the report. Its folder takes no other run from then on."
)
_NO_RECIPE = f"A file that ends in {SUFFIX}. Who is in charge of the method has it."


class RunRecipePanel(QWidget):
    """Run a recipe, in which nothing can be changed."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._file: RecipeFile | None = None
        self._done: RecipeRun | None = None
        self._looked_at = ""
        self._picture = OverlayPicture(napari_viewer, self.session.view)
        self._background = Background(self)
        self._build()
        self._connect()
        self._update()

    def _build(self) -> None:
        self.choose = button("Choose recipe...", _NO_RECIPE, self._ask_recipe)
        self.about = WrappedLabel("What the recipe fixes.")
        self.images = FolderField(
            "Run on a folder", "Folder of the images.", RecentFolders("recipe images")
        )
        self.specimen = QLineEdit()
        self.specimen.setMaxLength(LONGEST)
        self.specimen.setToolTip("Which one it is: the title of the report.")
        self.out = FolderField(
            "Results",
            "A new folder, for masks, tables and report.",
            RecentFolders("recipe results"),
        )
        self.run = button("Run", _RUN_TIP, self._run)
        self.verdict = WrappedLabel("Verdict of the run, and why.")
        self.list = VerdictList()
        self.name = QLineEdit()
        self.name.setMaxLength(LONGEST)
        self.name.setPlaceholderText("your name")
        self.name.setToolTip("Who has run it and looked at the images.")
        self.sign = button("Sign", _SIGN_TIP, self._sign)
        self.state = note("", "What became of the report.")
        self.open_report = button("Open report", "Open the page in the browser.", self._open)
        self.show_files = button("Show in folder", "Open the folder of the results.", self._show)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Images", self.images)
        form.addRow("Specimen", self.specimen)
        form.addRow("Results", self.out)
        self.after = QWidget()
        below = QVBoxLayout(self.after)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.verdict)
        below.addWidget(self.list, 1)
        below.addWidget(side_by_side(self.name, self.sign, stretch=0))
        below.addWidget(self.state)
        below.addWidget(side_by_side(self.open_report, self.show_files))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(note(_INTRO))
        layout.addWidget(side_by_side(self.choose))
        layout.addWidget(self.about)
        layout.addLayout(form)
        layout.addWidget(side_by_side(self.run))
        layout.addWidget(self.after)

    def _connect(self) -> None:
        self.images.changed.connect(self._on_images)
        self.out.changed.connect(self._update)
        self.specimen.textChanged.connect(self._update)
        self.name.textChanged.connect(self._update)
        self.list.chosen.connect(self._look)
        runner = self.session.runner
        runner.started.connect(self._update)
        runner.ended.connect(self._update)
        for owner, then in ((_OWNER, self._on_run), (_SIGNING, self._on_signed)):
            self._follow(runner.job_of(owner), then)

    # --- before the run

    def open_recipe(self, path: Path) -> None:
        """Read a recipe in the background, and show what it fixes."""
        failed = self.session.notices.failed.emit
        self._background.run(partial(read_recipe, path), self._take, failed)

    def _ask_recipe(self) -> None:
        kinds = f"Recipes (*{SUFFIX})"
        start = "" if self._file is None else str(self._file.path.parent)
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose recipe", start, kinds)
        if chosen:
            self.open_recipe(Path(chosen))

    def _take(self, file: RecipeFile) -> None:
        self._file = file
        recipe = file.recipe
        measures = ", ".join(recipe.measuring.settings.chosen)
        self.about.setText(f"{recipe.name}: {measures}; checksum {file.checksum[:8]}…")
        rules = [f"{name}: {rule}" for name, rule in recipe.rules()]
        self.about.setToolTip("\n".join([*rules, f"Checksum: {file.checksum}"]))
        self._on_images()

    def _on_images(self) -> None:
        """Propose a folder of results beside that of the images."""
        folder = self.images.folder
        if folder is not None and folder.name and self._file is not None:
            self.out.propose(_new_folder(folder, self._file.recipe.name))
        self._update()

    def _run(self) -> None:
        file, folder, out = self._file, self.images.folder, self.out.folder
        if file is None or folder is None or out is None:  # can't happen while the button is off
            return
        try:
            details = ReportDetails(specimen=self.specimen.text(), operator=self.name.text())
        except ValidationError:  # the fields are as long as a line may be
            return

        def make() -> "Job[RecipeRun]":
            from napari_matssl.tasks.recipe.running import run_recipe

            return run_recipe(file, folder, out, details)

        self._done = None
        self._update()
        self._follow(self.session.start("Run of the recipe", make, _OWNER), self._on_run)

    # --- after it

    def _follow(self, job: RunningJob | None, then: Any) -> None:
        if job is not None:
            job.succeeded.connect(then)

    def _on_run(self, done: "RecipeRun") -> None:
        self._done = done
        facts = done.planned.recipe
        reasons = "" if facts is None or not facts.reasons else f": {'; '.join(facts.reasons)}"
        # Recipe, folder and specimen above may be those of the next run already.
        of = f"{done.record.specimen}, recipe {done.record.recipe}"
        self.verdict.setText(f"{of}: {done.verdict.upper()}{reasons}.")
        self.list.show_images(done.images)
        self.images.used()
        self.out.used()
        lines = [] if facts is None else [f"Deviation: {line}" for line in facts.deviations]
        self.state.setText("\n".join(lines))
        self._update()
        bring_into_sight(self.sign)

    def _look(self, name: str) -> None:
        """Show the mask over an image; so it was looked at."""
        done = self._done
        if done is None:
            return
        self._looked_at = name
        self._update()
        path = done.overlays.get(name)
        if path is None:
            self._picture.hide()
            return

        def show(picture: object) -> None:
            if self._done is done and self._looked_at == name:
                self._picture.show(name, picture)

        self._background.drop_waiting()
        self._background.run(
            partial(self._picture.read, path), show, self.session.notices.failed.emit
        )

    def _sign(self) -> None:
        done, name = self._done, self.name.text().strip()
        if done is None:
            return

        def make() -> "Job[RecipeRun]":
            from napari_matssl.tasks.recipe.running import sign_run

            return sign_run(done, name)

        job = self.session.start("Signing", make, _SIGNING, compute=False)
        self._follow(job, self._on_signed)

    def _on_signed(self, done: "RecipeRun") -> None:
        self._done = done
        self.state.setText(f"Signed by {done.record.signed}.")
        self._update()
        self._open()

    def _open(self) -> None:
        if self._done is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._done.report.page)))

    def _show(self) -> None:
        if self._done is not None:
            show_in_files(self._done.out)

    def _update(self, _what: object = None) -> None:
        offer(self.run, self._why_no_run(), _RUN_TIP)
        offer(self.sign, self._why_no_sign(), _SIGN_TIP)
        self.after.setVisible(self._done is not None)

    def _why_no_run(self) -> str:
        if self._file is None:
            return "Choose a recipe first."
        if self.images.folder is None:
            return "Choose the folder of the images first."
        if not self.specimen.text().strip():
            return "Type the specimen first."
        if self.out.folder is None:
            return "Name a folder for the results first."
        return self.session.runner.busy_reason

    def _why_no_sign(self) -> str:
        if self._done is None:
            return "Run the recipe first."
        if self._done.record.signed:
            return f"It is signed: {self._done.record.signed}."
        if unseen := self.list.unseen:
            more = f" and {len(unseen) - 1} more" if len(unseen) > 1 else ""
            return f"Look at {unseen[0]}{more} first: click the row."
        if not self.name.text().strip():
            return "Type your name first."
        return self.session.runner.busy_reason


def _new_folder(images: Path, recipe: str) -> Path:
    """Propose a folder of results that isn't there yet."""
    wanted = images.with_name(f"{images.name}-{recipe}")
    number = 2
    found = wanted
    while found.exists():
        found = wanted.with_name(f"{wanted.name}-{number}")
        number += 1
    return found
