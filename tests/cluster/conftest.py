"""Runs of several processes need lightning-fabric."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("lightning_fabric")
sys.path.insert(0, str(Path(__file__).parent))  # also for copies of the server
