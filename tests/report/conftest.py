"""One report of small masks, made by the command line; tests look at its files."""

import pytest
from report_parts import NAMES, SPECIMEN, Reported, run_command, write_masks


@pytest.fixture(scope="session")
def reported(tmp_path_factory):
    """Two specimens, all measures that need no layer, no PDF."""
    folder = tmp_path_factory.mktemp("reported")
    masks, images = write_masks(folder)
    groups = folder / "groups.csv"
    lines = [f"{name},{'S1' if n < 2 else 'S2'},{n % 2}" for n, name in enumerate(NAMES)]
    groups.write_text("\n".join(["image,specimen,section", *lines]))
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_matssl.report.pdf.find_renderer", lambda: None)
        status = run_command(
            *("measure", masks, "--images", images, "--out", out, "--groups", groups, "--report"),
            *("--measures", "phases,objects,grains,nodules", "--class", "graphite"),
            *("--grains-class-is", "grains", "--specimen", SPECIMEN, "--remark", "=1+1"),
            *("--nodules-smallest-um", "1", "--date", "1 May"),
        )
    assert status == 0
    return Reported(folder, out)
