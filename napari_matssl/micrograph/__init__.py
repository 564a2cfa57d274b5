"""One micrograph: pixels, calibration, info bar, intensity scaling."""
