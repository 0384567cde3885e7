"""Differentiable Gaussian splatting: one verb, `render`, over interchangeable backends."""

from hgm.splat.rendering import BACKENDS, Rendering, render, resolve_backend

__all__ = ["BACKENDS", "Rendering", "render", "resolve_backend"]
