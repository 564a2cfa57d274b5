import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real micrographs, which are no part of the project."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MATSSL_DATA", default))
    if not folder.is_dir():
        pytest.skip("the real micrographs are not here; MATSSL_DATA can name their folder")
    return folder
