"""PoseGaussian: two calibrated photos of a person to every view between them."""
