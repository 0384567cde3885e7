"""Animatable Gaussians: an avatar from a multi-view video of a person, driven by any motion."""
