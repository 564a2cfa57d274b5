"""Synthetic micrographs with their exact classes, under File > Open Sample > MatSSL."""

from napari_matssl.widgets.reader import LayerData


def dual_phase_steel() -> list[LayerData]:
    """Draw dual-phase steel in the scanning electron microscope, with an info bar."""
    return _layers("Dual-phase steel", "dual-phase", seed=2)


def oxide_coating() -> list[LayerData]:
    """Draw a cracked oxide below a coating, scanning electron microscope, with an info bar."""
    return _layers("Oxide coating", "coating", seed=0)


def inclusions() -> list[LayerData]:
    """Draw sulphides and oxides in steel, light microscope."""
    return _layers("Inclusions", "inclusions", seed=2)


def grains() -> list[LayerData]:
    """Draw grains and their boundaries, light microscope."""
    return _layers("Grains", "grains", seed=0)


def _layers(name: str, material: str, seed: int) -> list[LayerData]:
    """Draw a sample as an image layer and, hidden until asked for, the truth as a labels layer."""
    from napari.components import ViewerModel

    from napari_matssl.samples import class_table, make_sample
    from napari_matssl.widgets.canvas.layers import add_labels, add_micrograph

    sample = make_sample(material, seed)
    model = ViewerModel()
    image = add_micrograph(model, sample.micrograph, name)
    classes = class_table(material).classes
    truth = add_labels(model, image, sample.labels, classes, f"{name}, truth", "mask")
    truth.visible = False
    return [layer.as_layer_data_tuple() for layer in model.layers]
