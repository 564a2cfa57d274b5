"""The entry of napari's menu that saves a recipe."""


def save_recipe_from_menu() -> None:
    """Save the recipe of the open folder, with the measures ticked in the panel Measure."""
    from napari import current_viewer

    from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
    from napari_matssl.widgets.napari_private import main_window
    from napari_matssl.widgets.panels.measure_panel import MeasurePanel
    from napari_matssl.widgets.panels.saving_recipe import ask_and_save_recipe
    from napari_matssl.widgets.session import session_of

    viewer = current_viewer()
    window = main_window(viewer)
    panel = window.findChild(MeasurePanel)
    plan = MeasurePlan() if panel is None else panel.choice.plan()
    ask_and_save_recipe(session_of(viewer), plan, window)
