"""The command line. Nothing heavy is imported before a command needs it."""

import math
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_matssl.console import (
    Command,
    SizeCommand,
    check_arguments,
    one_line_errors,
    rescued_output,
    run_job,
)
from napari_matssl.openmp import sleeping_threads
from napari_matssl.options import option, with_settings
from napari_matssl.printing import print_error, print_line
from napari_matssl.settings import (
    FinetuneSettings,
    MeasureSettings,
    PredictSettings,
    PretrainSettings,
)

app = typer.Typer(
    name="napari-matssl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Pretrain on unlabelled micrographs, fine-tune from a few strokes, segment, measure.",
)


_Splits = Annotated[Path | None, typer.Option(help="JSON file of splits")]
_Split = Annotated[str | None, typer.Option(help="name of the split to use")]
_Classes = Annotated[
    Path | None, typer.Option(help="class table (JSON); else classes.json beside the labels")
]
_InfoBar = Annotated[
    str | None,
    typer.Option(
        help="auto: leave a detected SEM info bar out; none: segment it, too; or the first row "
        "of the bar in all images [auto]",
        show_default=False,
    ),
]


_PixelSize = Annotated[
    str | None,
    typer.Option(metavar="X [Y]", help="width of a pixel in um, and its height if they differ"),
]


@app.command(cls=Command)
@with_settings(PretrainSettings)
def pretrain(
    folders: Annotated[list[Path], typer.Argument(help="folders of unlabelled micrographs")],
    out: Annotated[Path, typer.Option("--out", help="encoder file to write (.safetensors)")],
    settings: PretrainSettings,
    exclude: Annotated[
        Path | None, typer.Option(help="JSON file with the names of images to leave out")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the last epoch")] = False,
) -> None:
    """Pretrain an encoder on folders of unlabelled micrographs (MatSSL and peers)."""
    from napari_matssl.tasks.inputs import excluded_nowhere, read_folder
    from napari_matssl.tasks.models import pretrain_encoder

    for remark in excluded_nowhere(folders, exclude) if exclude is not None else ():
        print_line(remark)
    read = partial(read_folder, folders, exclude)
    with rescued_output(out.name):
        outcome = run_job(pretrain_encoder(read, settings, out, resume))
    result = outcome.result
    if result.checkpoint is not None:
        print_line(f"Stopped early; --resume goes on from {result.checkpoint}.")
    elif not result.complete:
        print_line("Stopped in the first epoch; there is no checkpoint to go on from.")
    losses = result.epoch_losses
    trend = f", loss {losses[0]:.3f} to {losses[-1]:.3f}" if losses else ""
    print_line(f"{out}: {settings.encoder}, {result.patches} patches, {len(losses)} epochs{trend}")
    outcome.leave(result.skipped)


@app.command(cls=Command)
@with_settings(FinetuneSettings)
def finetune(
    images: Annotated[Path, typer.Argument(help="folder of images")],
    labels: Annotated[Path, typer.Argument(help="folder of label images of the same stems")],
    out: Annotated[Path, typer.Option("--out", help="model file to write (.safetensors)")],
    settings: FinetuneSettings,
    splits: _Splits = None,
    split: _Split = None,
    classes: _Classes = None,
    info_bar: _InfoBar = None,
    go_on_from: Annotated[
        Path | None, typer.Option(help="model to go on from instead of an encoder")
    ] = None,
) -> None:
    """Fine-tune a model on painted micrographs."""
    from napari_matssl.files import check_writable
    from napari_matssl.tasks.inputs import read_painted_set

    check_writable(out)
    painted = read_painted_set(
        images,
        labels,
        settings.unlabelled,
        classes,
        _split_choice(splits, split),
        _info_bar_choice(info_bar or "auto"),
    )
    settings = settings.model_copy(update={"unlabelled": painted.unlabelled})
    for remark in painted.remarks:
        print_line(remark)
    print_line(
        f"{len(painted.training)} painted images, {len(painted.validation)} to validate; classes "
        f"from {painted.source}: {', '.join(painted.table.names)}"
    )
    from napari_matssl.tasks.models import train_model

    with rescued_output(out.name):
        outcome = run_job(train_model(lambda: painted, settings, out, go_on_from))
    trained = outcome.result
    metrics = trained.card.metrics
    score = f", validation mIoU {metrics['val_miou']:.3f}" if "val_miou" in metrics else ""
    how = f"{trained.steps} steps" if trained.steps else "fitted"
    early = ", stopped early" if outcome.interrupted or trained.failure is not None else ""
    print_line(f"{out}: {how} in {metrics['minutes']:.2g} min{score}{early}")
    held_out = getattr(trained.card, "held_out", None)
    if held_out is not None and held_out.pixel_accuracy is not None:
        who = "the instant classifier" if held_out.stand_in else "the model"
        right = f"{100 * held_out.pixel_accuracy:.1f} % of the labelled pixels"
        print_line(f"In {held_out.in_words()}, {who} finds {right} right (mean of the classes).")
    outcome.leave(unfinished=trained.failure is not None)


@app.command(cls=Command)
@with_settings(PredictSettings, without=("info_bar",))
def predict(
    model: Annotated[Path, typer.Argument(help="model of finetune, or a published U-Net++")],
    inputs: Annotated[list[Path], typer.Argument(help="images, or folders of images")],
    out: Annotated[Path, typer.Option("--out", help="folder for masks and tables")],
    settings: PredictSettings,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="also write <stem>_probabilities.tif, 0 to 255")
    ] = False,
    overlay: Annotated[bool, typer.Option(help="write <stem>_overlay.png")] = True,
    info_bar: _InfoBar = None,
    page: Annotated[
        int | None, typer.Option(min=1, help="which image of files that hold several")
    ] = None,
) -> None:
    """Segment images: masks, overlays and phase fractions.

    Images that can't be used are left out and listed; the exit status is 3 then.
    """
    bar = _info_bar_choice(info_bar or settings.info_bar)
    settings = settings.model_copy(update={"info_bar": "none" if bar is None else "auto"})
    from napari_matssl.learn.card import read_card
    from napari_matssl.micrograph.reading import find_micrographs

    read_card(model, kind="segmenter")
    paths = find_micrographs(inputs)
    from napari_matssl.export.results import Outputs
    from napari_matssl.learn.segmenter import read_segmenter
    from napari_matssl.tasks.predict import predict

    outputs = Outputs(masks_tiff=False, overlays=overlay, probabilities=probabilities)
    row = bar if isinstance(bar, int) else None
    outcome = run_job(
        predict(read_segmenter(model), paths, out, settings, outputs, model, row, page)
    )
    from napari_matssl.console_tables import show_corrected, show_summary

    result = outcome.result
    show_summary(row for image in result.images for row in image.phases)
    show_corrected(result.corrected)
    seconds = sum(image.seconds for image in result.images) / max(len(result.images), 1)
    print_line(f"{len(result.images)} of {len(paths)} images in {out}, {seconds:.2f} s per image")
    if result.phases is not None:
        print_line(f"Tables: {result.phases}, {result.summary} and {result.corrected_table}")
    outcome.leave(result.skipped, result.failure)


@app.command(cls=Command)
@with_settings(PredictSettings, only=("magnifications", "detached_components", "device"))
def evaluate(
    model: Annotated[Path, typer.Argument(help="model of finetune, or a published U-Net++")],
    images: Annotated[Path, typer.Argument(help="folder of images")],
    labels: Annotated[Path, typer.Argument(help="folder of label images of the same stems")],
    settings: PredictSettings,
    splits: _Splits = None,
    split: _Split = None,
    subset: Annotated[str, typer.Option(help="part of the split to score")] = "test",
    protocol: Annotated[
        Literal["native", "matssl", "oxide"],
        typer.Option(
            help="native: all classes at native size; matssl: background against the rest at "
            "512x512; oxide: that class alone"
        ),
    ] = "native",
    classes: _Classes = None,
    info_bar: _InfoBar = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="file for the scores")] = None,
) -> None:
    """Score a model on labelled images, pooled over pixels."""
    from napari_matssl.files import check_writable, write_json
    from napari_matssl.learn.card import read_card
    from napari_matssl.tasks.scoring_labels import read_truth

    if json_file is not None:
        check_writable(json_file)
    card = read_card(model, kind="segmenter")
    truth = read_truth(
        images,
        labels,
        card,
        _split_choice(splits, split),
        subset,
        classes,
        _info_bar_choice(info_bar or settings.info_bar),
    )
    for remark in truth.remarks:
        print_line(remark)
    from napari_matssl.console_tables import show_evaluation
    from napari_matssl.learn.segmenter import read_segmenter
    from napari_matssl.tasks.evaluate import evaluate

    outcome = run_job(evaluate(read_segmenter(model), truth.painted, settings, protocol))
    result = outcome.result
    if not result.images:
        print_error("Stopped before the first image was scored: nothing was written.")
        outcome.leave()
    show_evaluation(result)
    done = len(result.images) + len(result.skipped)
    wanted = len(truth.painted)
    if done < wanted:
        print_line(
            f"Stopped after {done} of {wanted} images: these are no scores of the whole set."
        )
        if json_file is not None:
            print_line(f"{json_file} was not written.")
    elif json_file is not None:
        write_json(json_file, {"model": model.name, **result.to_json()})
    outcome.leave(result.skipped)


@app.command(cls=SizeCommand)
@with_settings(MeasureSettings)
def measure(
    masks: Annotated[list[Path], typer.Argument(help="mask images, or folders of masks")],
    out: Annotated[
        Path, typer.Option("--out", help="folder for the tables, or phases' table alone (.csv)")
    ],
    settings: MeasureSettings,
    classes: Annotated[
        Path | None, typer.Option(help="class table (JSON); else classes.json beside the masks")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="folder of the images, for their pixel sizes")
    ] = None,
    pixel_size_um: _PixelSize = None,
    groups: Annotated[
        Path | None,
        typer.Option(help="CSV file with the columns image, specimen and perhaps section, group"),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="class whose objects, grains, layers or nodules are measured, else all; a layer "
            "and graphite have to be named",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="also write report.html, report.pdf and report.xlsx")
    ] = False,
    specimen: Annotated[
        str, typer.Option(help="for the report; kept in the masks' project, as the next four")
    ] = "",
    etchant: Annotated[str, typer.Option(help="for the report: preparation and etchant")] = "",
    orientation: Annotated[str, typer.Option(help="for the report: of the section")] = "",
    operator: Annotated[str, typer.Option(help="for the report: who has measured")] = "",
    remark: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE", help="for the report; may be given several times"),
    ] = None,
    date: Annotated[str, typer.Option(help="for the report [today]", show_default=False)] = "",
    model: Annotated[
        Path | None,
        typer.Option(help="for the report: model of the masks, if their project doesn't have it"),
    ] = None,
) -> None:
    """Measure masks, whoever made them: phase fractions, objects, grain size, intervals."""
    from napari_matssl.console_tables import show_figures, show_summary
    from napari_matssl.errors import SettingsError
    from napari_matssl.export.tables import describe_other_names, write_frames_or_numbered
    from napari_matssl.tasks.measure_files import Sources, measure_masks
    from napari_matssl.tasks.measures import check_table_place, table_paths

    size = _pixel_size(pixel_size_um, "stated with --pixel-size-um")
    check_table_place(out, settings)
    details = _report_details(specimen, etchant, orientation, operator, remark or [])
    if not report:
        _check_no_report(details, date, model)
    elif out.suffix.lower() == ".csv":
        raise SettingsError(
            f"{out} is the name of one table, but a report has several.", "Name a folder."
        )
    sources = Sources(classes, images, size, groups)
    measured = measure_masks(masks, sources, settings, only or ())
    planned, tables = None, measured.tables
    if report:
        from napari_matssl.tasks.report_plan import Request, plan_report

        inputs = tuple(path for path in (classes, groups) if path is not None)
        planned = plan_report(measured, settings, Request(details, date, model, inputs))
        tables = planned.tables
    for line in measured.remarks:
        print_line(line)
    if measured.rows:
        show_summary(measured.rows)
    for name, frame in tables.items():
        if "figure" in frame:
            show_figures(name.removesuffix("_summary.csv").capitalize(), frame)
    wanted = table_paths(out, tables)
    written = write_frames_or_numbered(wanted)
    if line := describe_other_names(tuple(wanted), written):
        print_line(line)
    print_line(f"Tables: {', '.join(map(str, written))}")
    if planned is not None:
        from napari_matssl.console_tables import show_corrected
        from napari_matssl.tasks.write_report import write_report

        if planned.corrected is not None:
            show_corrected(planned.corrected)
        outcome = run_job(write_report(planned, out, written))
        made = outcome.result
        for line in made.remarks:
            print_line(line)
        paths = (made.page, made.pdf, made.workbook)
        print_line(f"Report: {', '.join(str(path) for path in paths if path is not None)}")
        outcome.leave()


@app.command(cls=Command)
def verify(
    report: Annotated[Path, typer.Argument(help="report.html or report.xlsx")],
    masks: Annotated[
        Path | None, typer.Option(help="folder of the masks, if they are elsewhere now")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="folder of the images, if they are elsewhere now")
    ] = None,
) -> None:
    """Find what was changed in a report, and in the files that it names, since it was written.

    Exit status 0: nothing, 1: something, 3: nothing, but files that it names weren't found.
    """
    from napari_matssl.console_tables import show_findings
    from napari_matssl.tasks.verify_report import verify_report

    folders = {role: path for role, path in (("mask", masks), ("image", images)) if path}
    verified = verify_report(report, folders)
    raise SystemExit(show_findings(report.name, verified))


@app.command(cls=SizeCommand)
def calibrate(
    images: Annotated[list[Path], typer.Argument(help="images, or folders of images")],
    bar_px: Annotated[float | None, typer.Option(help="length of the scale bar in px")] = None,
    bar_um: Annotated[float | None, typer.Option(help="the same length in um")] = None,
    pixel_size_um: _PixelSize = None,
) -> None:
    """Set the pixel size of images, in the project of their folder; no image is changed."""
    from napari_matssl.errors import SettingsError
    from napari_matssl.micrograph.reading import find_micrographs
    from napari_matssl.tasks.calibrate import calibrate, size_of_bar

    size = _pixel_size(pixel_size_um, "set by hand")
    by_bar = bar_px is not None and bar_um is not None
    if by_bar == (size is not None) or (bar_px is None) != (bar_um is None):
        raise SettingsError(
            "The pixel size is missing, or given twice.",
            "Give --bar-px N and --bar-um L, or --pixel-size-um X [Y].",
        )
    if bar_px is not None and bar_um is not None:
        size = size_of_bar(bar_px, bar_um)
    for one in calibrate(find_micrographs(images), size):
        print_line(f"{one.name}: {size.in_words} ({size.source})")
        for remark in one.remarks:
            print_line(remark)


@app.command(cls=Command)
def info(
    file: Annotated[Path, typer.Argument(help="an encoder, a model or a micrograph")],
    page: Annotated[
        int | None, typer.Option(min=1, help="which image of a file that holds several")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Describe a file: an encoder, a model or a micrograph."""
    from napari_matssl.console_tables import show_facts
    from napari_matssl.tasks.info import describe

    show_facts(describe(file, page), as_json)


@app.command(cls=Command)
def device(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show which device is used, why, and how to use a faster one."""
    from dataclasses import asdict

    from napari_matssl.console_tables import show_facts
    from napari_matssl.learn.device import diagnose

    facts = asdict(diagnose())
    show_facts({name: text for name, text in facts.items() if text or as_json}, as_json)


@app.command(cls=Command)
def demo(
    out: Annotated[Path, typer.Option("--out", help="folder for everything the demo makes")] = Path(
        "demo-output"
    ),
    gui: Annotated[
        bool, typer.Option("--gui", help="open napari with sample micrographs to paint instead")
    ] = False,
    device: Annotated[
        str | None, option(FinetuneSettings.model_fields["device"], ["device"])
    ] = None,
) -> None:
    """Run the main job on sample micrographs: pretrain, fine-tune, segment, score."""
    if gui:
        _demo_in_napari(out, device)
        return
    from napari_matssl.console_tables import show_demo
    from napari_matssl.tasks.demo import demo as run_demo

    outcome = run_job(run_demo(out, device or "auto"))
    show_demo(outcome.result)
    outcome.leave(outcome.result.skipped)


@app.command(cls=Command)
def gui(
    folder: Annotated[Path | None, typer.Argument(help="folder of micrographs to open")] = None,
) -> None:
    """Open napari with the MatSSL panels."""
    from napari_matssl.widgets.launch import run_viewer

    run_viewer(folder)


def _demo_in_napari(out: Path, device: str | None) -> None:
    from napari_matssl.errors import SettingsError
    from napari_matssl.widgets.launch import check_window, run_viewer

    if device is not None:
        raise SettingsError(
            "--device doesn't go with --gui.", 'Choose it in the panels, under "More settings".'
        )
    check_window()
    from napari_matssl.samples.to_paint import write_samples_to_paint

    folder = write_samples_to_paint(out)
    print_line(f"The sample micrographs are in {folder}.")
    run_viewer(folder)


def _split_choice(splits: Path | None, split: str | None) -> Any:
    from napari_matssl.errors import SettingsError
    from napari_matssl.tasks.label_files import SplitChoice

    if splits is None and split is None:
        return None
    if splits is None or split is None:
        raise SettingsError("--splits FILE and --split NAME go together.", "Give both or neither.")
    return SplitChoice(splits, split)


def _info_bar_choice(text: str) -> Any:
    """Parse auto, none or a row into "auto", None or a number."""
    from napari_matssl.errors import SettingsError

    if text.isascii() and text.isdecimal() and len(text) < 9:
        return int(text)
    if text not in ("auto", "none"):
        raise SettingsError(
            f"--info-bar {text} is not understood.", "Give auto, none, or the first row of the bar."
        )
    return "auto" if text == "auto" else None


def _report_details(
    specimen: str, etchant: str, orientation: str, operator: str, remarks: list[str]
) -> Any:
    """Make the details of a report; each is a line."""
    from pydantic import ValidationError

    from napari_matssl.errors import SettingsError
    from napari_matssl.settings.report_details import ReportDetails

    try:
        return ReportDetails(
            specimen=specimen,
            etchant=etchant,
            orientation=orientation,
            operator=operator,
            remarks=tuple(remarks),
        )
    except ValidationError as error:
        finding = error.errors()[0]
        raise SettingsError(
            f"--{str(finding['loc'][0]).removesuffix('s')}: {finding['msg']}."
        ) from error


def _check_no_report(details: Any, date: str, model: Path | None) -> None:
    """Refuse what is for a report where none was asked for."""
    from napari_matssl.errors import SettingsError

    if not details.empty or date or model is not None:
        raise SettingsError(
            "Specimen, etchant, orientation, operator, remark, date and model are for a report.",
            "Add --report.",
        )


def _pixel_size(text: str | None, source: str) -> Any:
    """Parse one or two lengths in um; None where there are none."""
    if text is None:
        return None
    from napari_matssl.errors import SettingsError
    from napari_matssl.micrograph.image import PixelSize

    try:
        sides = [float(part) for part in text.split()]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or not all(0 < side < math.inf for side in sides):
        raise SettingsError(
            f"--pixel-size-um {text} is no pixel size.", "Give one or two lengths above 0, in um."
        )
    return PixelSize(sides[0], sides[-1], source)


def main() -> None:
    """Run the command line; errors of input end in one line and status 2."""
    with sleeping_threads(), one_line_errors():
        check_arguments(sys.argv[1:])
        app()
