"""One micrograph: pixels, calibration, info bar, normalisation, writing, synthetic samples."""
