"""Measures of images, surfaces, joints and image sets; every one is None where its weights are
absent."""
