"""The paragraph on methods, for papers, and the statement of limits."""

from collections.abc import Iterable

import pandas as pd

from napari_matssl.report.contents import COUNT, GRAINS, PHASES, Contents
from napari_matssl.report.observations import SUMMARIES
from napari_matssl.report.point_count import count_method
from napari_matssl.report.wording import in_print, is_blank, plural


def methods(contents: Contents) -> tuple[str, ...]:
    """Describe in whole sentences what was done: one paragraph per part of the work."""
    paragraphs = [f"{_fields(contents)} {_masks(contents)}".strip()]
    chosen = contents.settings.chosen
    says = {
        "phases": _phases,
        "objects": _objects,
        "grains": _grains,
        "layers": _layers,
        "nodules": _nodules,
    }
    measured = " ".join(says[name](contents) for name in chosen)
    paragraphs.append(f"{measured} {_statistics(contents)}".strip())
    if contents.corrected is not None and any(
        row.corrected is not None for row in contents.corrected.rows
    ):
        paragraphs.append(
            "Beside the fractions as found, fractions corrected for the model's own error are "
            f"given. Its confusion was counted in {contents.corrected.source}, one observation per "
            "image, and undone by the shares in which each class was found where it truly was; the "
            "interval of the correction covers the spread of this confusion between images."
        )
    if COUNT in contents.tables:
        paragraphs.append(count_method(contents.tables[COUNT]))
    return tuple(paragraphs)


def limits(contents: Contents) -> tuple[str, ...]:
    """List what the figures don't tell."""
    lines = [
        "Intervals cover the choice of fields alone: whoever chose them for their looks has no "
        "valid interval. Overlapping fields and tiles of one panorama aren't independent.",
        "What was drawn or segmented wrongly is wrong in each field alike, and isn't in the "
        "intervals over fields.",
        "Figures are of the plane of polish.",
        "The formulas are those that are commonly given for E562, E1245, E112 and others "
        '("-style"); their texts were not at hand, and no compliance with them is claimed.',
    ]
    if not contents.calibrated:
        lines.append("No field has a pixel size: figures in µm are left out.")
    chosen = contents.settings.chosen
    if "phases" in chosen:
        lines.append("Area fractions are shares of pixels, not of counted points.")
    if COUNT in contents.tables:
        lines.append(
            "A point count by eye has an error of its own: whoever counts may mistake a class. "
            "Kappa is agreement, not truth."
        )
    if "objects" in chosen:
        lines.append("Objects that touch each other count as one.")
    if "grains" in chosen:
        lines.append(
            "Boundaries that a mask lacks make grains larger. Twins count as grains where their "
            "boundaries are in the mask."
        )
    if "layers" in chosen:
        lines.append(
            "The interval of one image's thickness is that of this layer along this image; that of "
            "the specimen is over several images."
        )
    if "nodules" in chosen:
        lines.append("Nodules that touch each other count as one particle, and mostly as none.")
    if contents.corrected is not None and contents.corrected.limits:
        lines.append(contents.corrected.limits)
    return tuple(lines)


def _fields(contents: Contents) -> str:
    fields = contents.fields
    specimens = {s for s in fields["specimen"] if s}
    sections = {(s, c) for s, c in zip(fields["specimen"], fields["section"], strict=True) if c}
    of = f" of {plural(len(specimens), 'specimen')}" if specimens else ""
    on = f" on {plural(len(sections), 'section')}" if sections else ""
    were = "was" if len(fields) == 1 else "were"
    text = f"{plural(len(fields), 'micrograph')}{of}{on} {were} evaluated"
    return f"{text} ({_pixel_sizes(fields)}) with {_program(contents)}."


def _program(contents: Contents) -> str:
    versions = dict(contents.versions)
    return f"napari-matssl {versions.get('napari-matssl', '')}".strip()


def _pixel_sizes(fields: pd.DataFrame) -> str:
    pairs = zip(fields["pixel_width_um"], fields["pixel_height_um"], strict=True)
    sizes = list(dict.fromkeys(pair for pair in pairs if not is_blank(pair[0])))
    if not sizes:
        return "not calibrated"
    if len(sizes) == 1:
        x, y = sizes[0]
        one = f"pixel size {x:.4g} µm" if x == y else f"pixel size {x:.4g} µm by {y:.4g} µm"
    else:
        sides = [side for size in sizes for side in size]
        one = f"pixel sizes from {min(sides):.4g} to {max(sides):.4g} µm"
    without = int(fields["pixel_width_um"].isna().sum())
    return one if not without else f"{one}; {without} not calibrated"


def _masks(contents: Contents) -> str:
    if not contents.models:
        return "The masks name no model; who made them isn't stored in them."
    told = [model.sentence for model in contents.models if model.sentence]
    if told:
        return " ".join(told)
    names = " and ".join(model.name or "an unnamed model" for model in contents.models)
    return f"They were segmented with {names}."


def _phases(contents: Contents) -> str:
    classes = list(dict.fromkeys(contents.tables[PHASES]["class"]))
    return (
        f"The area fraction of each class ({_listed(classes)}) is the number of its pixels over "
        "that of all analysed pixels; pixels without a class (information bars) and excluded "
        "classes are in neither."
    )


def _objects(contents: Contents) -> str:
    directions = " and ".join(f"{one}°" for one in contents.settings.directions)
    over = _over(contents, "objects_summary.csv")
    drawn = "specimens where a group has several, else images" if len(over) > 1 else over.pop()
    intervals = (
        f" Intervals of D10, D50 and D90 are those of a bootstrap over {drawn}, on the scale of "
        "logarithms."
    ) * (contents.fields["image"].size > 1)
    return (
        "Objects are connected components (8-connected). Their number per area is unbiased at the "
        "edges of a field (left and lower edge forbidden, Gundersen 1977); size distributions "
        "are by number, of equivalent diameters, each object that lies wholly inside weighted by "
        "the inverse of its chance to do so (Miles 1974, Lantuejoul 1980). Mean chord and mean "
        f"free path are A_A / N_L and (1 - A_A) / N_L along test lines at {directions}.{intervals}"
    )


def _grains(contents: Contents) -> str:
    given = contents.settings.grains
    classes = _listed(dict.fromkeys(contents.tables[GRAINS]["class"]))
    gaps = f" Gaps of boundaries up to {given.largest_gap} px were closed." * bool(
        given.largest_gap
    )
    chords = (
        " The mean intercept is the mean chord from edge to edge of boundaries, without their "
        "width."
    ) * (given.intercepts == "chords")
    return (
        f"Grain size, measured by the class {classes}, is given by counting grains (planimetric: "
        "those inside, half of those at the edge, a quarter of those in corners), and by "
        "intercepts of two test figures, parallel lines at 0°, 45°, 90° and 135°, and three "
        f"circles with four lines.{gaps}{chords} G is converted from the mean number of grains per "
        "area, or from the mean intercept, with the bounds of its interval (E112-style)."
    )


def _layers(contents: Contents) -> str:
    methods_used = list(dict.fromkeys(contents.tables["layers.csv"]["method"]))
    return (
        "Layer thickness is the length of columns at right angles to the layer's own line "
        f"({_listed(methods_used)}), from interface to interface; the interval within an image is "
        "that of a moving-block bootstrap along the layer (Kuensch 1989)."
    )


def _nodules(contents: Contents) -> str:
    given = contents.settings.nodules
    smallest = f"{given.smallest_px:g} px"
    if contents.calibrated:
        smallest = f"{given.smallest_um:g} µm or {smallest}"
    return (
        f"Graphite particles count as nodules from a circularity of {given.circularity:g} "
        f"(4 π A / P², P of the convex hull) and up to an aspect ratio of {given.aspect_ratio:g}; "
        f"particles at the edge and below {smallest} along their largest dimension are left out."
    )


def _statistics(contents: Contents) -> str:
    if contents.fields["image"].size < 2:
        return "One field has no interval."
    over = _over(contents, *(one.summary for one in SUMMARIES))
    values = {
        frozenset({"images"}): "fields, one value per micrograph",
        frozenset({"specimens"}): "the means of specimens",
    }
    both = "the means of specimens where a group has several, else over fields"
    return (
        "Mean, standard deviation s and 95 % confidence interval (t * s / root n, Student's t with "
        f"n - 1 degrees of freedom) are over {values.get(frozenset(over), both)}."
    )


def _over(contents: Contents, *names: str) -> set[str]:
    """Return what the intervals of summaries are over: images, specimens, or by group either."""
    found: set[str] = set()
    for name in names:
        if (frame := contents.tables.get(name)) is not None:
            found |= set(frame["over"])
    return found or {"images"}


def _listed(names: Iterable[str]) -> str:
    *most, last = [str(one) for one in names] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def standard_items(contents: Contents) -> tuple[tuple[str, str], ...]:
    """List the items that an E562-style report names, blank where nobody has typed them."""
    fields, details = contents.fields, contents.details
    specimens = sorted({s for s in fields["specimen"] if s})
    sections = {(s, c) for s, c in zip(fields["specimen"], fields["section"], strict=True) if c}
    area, calibrated = fields["analysed_area_um2"].sum(), int(fields["analysed_area_um2"].count())
    of = "all" if calibrated == len(fields) else f"the {calibrated} with a pixel size"
    each = fields["analysed_area_um2"].mean()
    shapes = zip(fields["width_px"], fields["height_px"], strict=True)
    sizes = list(dict.fromkeys(f"{width} x {height} px" for width, height in shapes))
    shown = sizes[0] if len(sizes) == 1 else f"{plural(len(sizes), 'size')}, see Fields"
    analysed = "" if is_blank(each) else f"; {in_print(float(each) / 1e6)} mm² analysed on average"
    return (
        ("Fields", f"{len(fields)}" + (f", {_mm2(float(area))} in {of}" if calibrated else "")),
        ("Specimens", f"{len(specimens)}: {', '.join(specimens)}" if specimens else ""),
        ("Sections", str(len(sections)) if sections else ""),
        ("Preparation, etchant", details.etchant),
        ("Orientation of the section", details.orientation),
        ("Magnification", _pixel_sizes(fields)),
        ("Grid", _grid(contents)),
        ("Size of a field", f"{shown}{analysed}"),
        ("Choice and spacing of fields", ""),
    )


def _mm2(area_um2: float) -> str:
    return f"{in_print(area_um2 / 1e6)} mm²"


def _grid(contents: Contents) -> str:
    none = "none: every analysed pixel counts (area fraction, not a point count)"
    return f"{none}; a point count follows below" if COUNT in contents.tables else none
