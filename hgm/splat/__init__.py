"""Differentiable Gaussian splatting: one verb, `render`, over interchangeable backends."""

from hgm.splat.backends import BACKENDS, backend_for, resolve_backend
from hgm.splat.rendering import Rendering, render

__all__ = ["BACKENDS", "Rendering", "backend_for", "render", "resolve_backend"]
