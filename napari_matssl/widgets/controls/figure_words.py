"""What the panel calls the columns and figures of tables; files keep their own names of them."""

import re

_UNITS = (
    ("_um_per_mm2", "µm/mm²"), ("_per_mm2", "1/mm²"), ("_per_mm", "1/mm"), ("_um2", "µm²"),
    ("_um", "µm"), ("_px", "px"), ("_percent", "%"), ("_deg", "°"),
)  # fmt: skip

_TITLES = {
    "relative_accuracy_percent": "rel. acc.\n(%)",
    "ci95": "95 % CI\n(±)",
    "ci95_low": "95 % CI\nfrom",
    "ci95_high": "95 % CI\nto",
    "s_between": "s bet-\nween",
    "s_within": "s\nwithin",
    "g_astm": "G\n(ASTM)",
    "g_iso": "G\n(ISO)",
    "nodularity_by_number_percent": "nodularity by\nnumber (%)",
    "nodularity_by_area_percent": "nodularity by\narea (%)",
    "mean_um": "thickness\n(µm)",
    "mean_px": "thickness\n(px)",
    "s_um": "s of thick-\nness (µm)",
    "s_px": "s of thick-\nness (px)",
    "equivalent_diameter_um": "diameter\n(µm)",
    "centroid_x_px": "x\n(px)",
    "centroid_y_px": "y\n(px)",
    "centre_x_px": "x\n(px)",
    "centre_y_px": "y\n(px)",
    "counts_as": "counts as",
    "effective_columns": "effective\ncolumns",
    "feret_max_um": "Feret max.\n(µm)",
    "feret_min_um": "Feret min.\n(µm)",
    "aspect_ratio": "aspect\nratio",
    "line_direction_deg": "lines\n(°)",
    "size_class": "size\nclass",
    "left_out": "left\nout",
    "porosity_percent": "porosity\n(%)",
    "pores_um2": "pores\n(µm²)",
    "layer_um2": "layer area\n(µm²)",
    "layer_px": "layer area\n(px)",
}

_TIPS = {
    "image": "Name of the image. Click a row to go there.",
    "class": "The class that is measured.",
    "figure": "The figure, as the table per image has it in a column.",
    "mean": "Mean over the images, or for sizes of objects a quantile over all of them.",
    "s": "Standard deviation from image to image.",
    "ci95": "Half width of the 95 % confidence interval of the mean: mean ± this.",
    "ci95_low": "Lower bound of the 95 % confidence interval; that of G isn't symmetrical.",
    "ci95_high": "Upper bound of the 95 % confidence interval.",
    "ci95_um": "Half width of the 95 % confidence interval of this image's mean, from the spread "
    "along the layer.",
    "ci95_px": "Half width of the 95 % confidence interval of this image's mean, from the spread "
    "along the layer.",
    "relative_accuracy_percent": "Relative accuracy: the confidence interval in percent of the "
    "mean.",
    "n": "Images with a value, or specimens where there are several.",
    "group": "Images that are summarised together.",
    "over": "What n counts, and the interval is over.",
    "s_between": "Standard deviation between specimens (of one specimen, between its sections).",
    "s_within": "Standard deviation between the images of one specimen (of one section).",
    "method": "How it was measured.",
    "object": "Number of the object in its image.",
    "grain": "Number of the grain in its image.",
    "column": "Number of the column in its image.",
    "particle": "Number of the particle in its image.",
    "intercept": "Number of the intercept in its image.",
    "test_line": "Number of the test line that it is on.",
    "counts_as": "What it counts as.",
    "counted": "What it counts: 1, or 0 by the edge rule; a grain that is cut 0.5, one in a corner "
    "0.25; an intercept 0.5 to 2 and more.",
    "equivalent_diameter_um": "Diameter of the circle of the same area.",
    "feret_max_um": "Largest distance of two parallels that touch it.",
    "feret_min_um": "Smallest distance of two parallels that touch it.",
    "aspect_ratio": "Long over short: of the ellipse of the same moments (objects), or of the "
    "Feret diameters (nodules).",
    "orientation_deg": "Of the long axis, counter-clockwise from the rows.",
    "circularity": "4 pi area / perimeter², 1 for a circle.",
    "objects": "Objects that count by the edge rule.",
    "line_direction_deg": "Direction of the test lines that chords and free path are of.",
    "grains_inside": "Grains that don't touch the edge.",
    "grains_cut": "Grains that the edge cuts.",
    "intercepts": "Intercepts of the test lines, by what each counts.",
    "g_astm": "Grain size number, ASTM E112-style, converted from grains per area or from the mean "
    "intercept.",
    "g_iso": "Grain size number, ISO 643-style.",
    "mean_um": "Mean thickness of the layer, across its own direction.",
    "mean_px": "Mean thickness of the layer, across its own direction.",
    "s_um": "Standard deviation of the thickness from column to column.",
    "s_px": "Standard deviation of the thickness from column to column.",
    "columns": "Columns that show both interfaces.",
    "effective_columns": "How many independent columns these are worth: neighbours resemble each "
    "other.",
    "tilt_deg": "Slope of the layer, by which thickness is corrected; none where it is bent.",
    "porosity_percent": "Share of the classes of pores in the layer's area between both "
    "interfaces.",
    "layer_um2": "Area between both interfaces, with the pores and cracks in it.",
    "layer_px": "Area between both interfaces, with the pores and cracks in it.",
    "left_out": "Particles at the edge, or too small.",
    "graphite": "Particles that are judged.",
    "along_um": "Place along the layer.",
}


def title_of_column(column: str) -> str:
    """Name a column: its words, and the unit below them."""
    if column in _TITLES:
        return _TITLES[column]
    words, unit = _parts(column)
    return f"{words}\n({unit})" if unit else words


def in_one_line(figure: str) -> str:
    """Name a figure in a cell: ``mean chord (µm)``."""
    return re.sub(r"\s+", " ", title_of_column(figure).replace("-\n", ""))


def tip_of_column(column: str) -> str:
    """Describe a column, with its name in files and in the documentation."""
    return f"{_TIPS.get(column, '')}\nColumn {column} of the exported table.".strip()


def _parts(column: str) -> tuple[str, str]:
    for ending, unit in _UNITS:
        if column.endswith(ending):
            return column.removesuffix(ending).replace("_", " "), unit
    return column.replace("_", " "), ""
