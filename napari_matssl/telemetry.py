"""ONNX Runtime without telemetry.

From the moment it is imported, ONNX Runtime (seen with 1.32 on Linux) keeps an identifier of the
computer and a list of events in the user's cache, unless an environment variable is set.
"""

import os

SWITCH = "ORT_DISABLE_TELEMETRY"


def switch_off_telemetry() -> None:
    """Set the variable before ONNX Runtime is imported, unless the user has set it."""
    os.environ.setdefault(SWITCH, "1")
