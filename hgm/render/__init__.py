"""Rendering of textured scans with Blender's Cycles."""

from hgm.render.chunk import ChunkResult, render_chunk

__all__ = ["ChunkResult", "render_chunk"]
