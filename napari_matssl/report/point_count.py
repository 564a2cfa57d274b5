"""What a report has of points that were counted by eye, beside the mask at the same points."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from napari_matssl.labels.names import few
from napari_matssl.report.contents import COUNT, COUNT_SUMMARY, Contents
from napari_matssl.report.page_tables import PageTable, columns_table
from napari_matssl.report.wording import in_print, is_blank, plural

BY_EYE: Final = "Blind point count"
"""Title of the section."""

_MOST_NAMES: Final = 6
_DAY, _MINUTE = 10, 16  # characters of a time in ISO 8601

_SUMMARY: Final = (
    *("class", "n", "manual_percent", "s_percent", "ci95_low_percent", "ci95_high_percent"),
    *("relative_accuracy_percent", "mask_percent", "over"),
)
_PER_FIELD: Final = (
    *("image", "class", "hits", "manual_percent", "ci95_low_percent", "ci95_high_percent"),
    "mask_percent",
)
_ONE_PER_FIELD: Final = (
    *("image", "points", "counted_points", "boundary_points", "untold_points"),
    *("compared_points", "agreement_percent", "kappa", "kappa_ci95_low", "kappa_ci95_high"),
    *("counted_by", "first_time", "last_time"),
)


def count_table(contents: Contents) -> list[PageTable]:
    """Make the table of classes over all images: by eye, and the mask's at the same points."""
    return columns_table(COUNT_SUMMARY, contents.tables[COUNT_SUMMARY], _SUMMARY)


def count_per_field(contents: Contents) -> list[PageTable]:
    """Make the tables of each image: its classes, then its points, kappa, and who counted when."""
    frame = contents.tables[COUNT]
    once = frame.drop_duplicates("image")
    once = once.assign(
        **{name: once[name].map(_to_the_minute) for name in ("first_time", "last_time")}
    )
    return [
        *columns_table(COUNT, frame, _PER_FIELD),
        *columns_table(COUNT, once, _ONE_PER_FIELD),
    ]


def count_in_words(per_image: pd.DataFrame) -> tuple[str, ...]:
    """Tell how many points were counted, by whom and when."""
    once = per_image.drop_duplicates("image")
    points, images = int(once["points"].sum()), plural(len(once), "field")
    names = [name for name in dict.fromkeys(once["counted_by"]) if name]
    unnamed = int((once["counted_by"] == "").sum())
    who = f" by {few(names, _MOST_NAMES)}" if names else ""
    missing = ""
    if unnamed:
        of = "" if unnamed == len(once) else f" of {plural(unnamed, 'field')}"
        missing = f" Who counted{of} isn't stored."
    return (
        f"{plural(points, 'point')} of {images} were judged{who}{_days(once)} on the bare image, "
        f"with the mask and its figures out of sight.{missing}",
    )


def intervals_in_words(summary: pd.DataFrame) -> tuple[str, ...]:
    """Explain what the intervals of the summary are over."""
    over = set(summary["over"])
    lines = []
    if "images" in over:
        lines.append("Over images: Student's t with n - 1 degrees of freedom.")
    if "specimens" in over:
        lines.append(
            "Over specimens, each with the mean of its fields: Student's t with n - 1 degrees of "
            "freedom."
        )
    if "points" in over:
        lines.append("Over points: Wilson's interval, of these fields alone.")
    return (f"{' '.join(lines)} A point on a boundary counts half for each of both classes.",)


def count_items(summary: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """List how well mask and eye agree at the same points."""
    row = summary.iloc[0]
    excluded = int(row["excluded_by_one_points"])
    left_out = (("Excluded by eye or mask alone", f"{excluded}, not compared"),) if excluded else ()
    kappa = f"none: {row['reason']}"
    if not row["compared_points"]:
        return (("Cohen's kappa", kappa), *left_out)
    if not is_blank(row["kappa"]):
        kappa = in_print(float(row["kappa"])) + _bounds(row)
    return (
        ("Points compared", str(int(row["compared_points"]))),
        ("Same class", f"{in_print(float(row['agreement_percent']))} %"),
        ("Cohen's kappa", kappa),
        *left_out,
    )


def count_method(per_image: pd.DataFrame) -> str:
    """Describe the count for the paragraph on methods."""
    once = per_image.drop_duplicates("image")
    few_, many = int(once["points"].min()), int(once["points"].max())
    each = f"{few_}" if few_ == many else f"{few_} to {many}"
    return (
        f"Independently of the masks, classes were judged by eye at {each} points per field, drawn "
        "as a jittered systematic grid and shown one after another on the bare image. The point "
        "fraction is hits over points, half for each class on a boundary (E562-style). Agreement "
        "with the masks at the same points, those on a boundary left out, is given as Cohen's "
        "kappa; its interval is clustered by field where there are several."
    )


def _bounds(row: "pd.Series[object]") -> str:
    if is_blank(row["kappa_ci95_low"]):
        return f"; no interval: {row['reason']}"
    low, high = (in_print(float(str(row[f"kappa_ci95_{end}"]))) for end in ("low", "high"))
    return f" (95 % CI {low} to {high})"


def _days(once: pd.DataFrame) -> str:
    days: Sequence[str] = sorted({str(time)[:_DAY] for time in once["first_time"] if time})
    if not days:
        return ""
    return f" on {days[0]}" if days[0] == days[-1] else f" from {days[0]} to {days[-1]}"


def _to_the_minute(time: str) -> str:
    return time[:_MINUTE].replace("T", " ")
