"""What a report says of the recipe that was followed: the verdict first, then what differed."""

from napari_matssl.report.contents import VERDICTS, Contents, RecipeFacts
from napari_matssl.report.page_tables import plain_table
from napari_matssl.report.seal import grouped
from napari_matssl.report.sections import Section

NONE = "Nothing differed from the circumstances in which the recipe was saved."
IN_FIGURES = "All images that were segmented are in the figures below, those that failed, too."


def recipe_sections(contents: Contents) -> list[Section]:
    """Return the sections on the recipe; none where none was followed."""
    recipe = contents.recipe
    if recipe is None:
        return []
    return [
        Section(
            "Verdict by the recipe",
            text=(verdict_line(recipe), IN_FIGURES),
            tables=tuple(plain_table(VERDICTS, contents.tables[VERDICTS])),
            items=(
                ("Recipe", recipe.name),
                ("Checksum", grouped(recipe.checksum)),
                *recipe.rules,
            ),
            items_title="Rules of the recipe",
        ),
        Section("Deviations", notes=recipe.deviations or (NONE,)),
    ]


def recipe_rows(recipe: RecipeFacts | None) -> list[tuple[str, str]]:
    """Return the rows of a workbook's first sheet on the recipe."""
    if recipe is None:
        return []
    rows = [
        ("Recipe", recipe.name),
        ("Checksum of the recipe", grouped(recipe.checksum)),
        ("Verdict", verdict_line(recipe)),
        *(("Deviation", line) for line in recipe.deviations or (NONE,)),
        *((f"Recipe: {name}", value) for name, value in recipe.rules),
    ]
    return [*rows, ("Signed in the program by", recipe.signed)] if recipe.signed else rows


def verdict_line(recipe: RecipeFacts) -> str:
    """Write the verdict of a run with its reasons."""
    reasons = f": {'; '.join(recipe.reasons)}" if recipe.reasons else ""
    return f"{recipe.verdict.upper()}{reasons}."
