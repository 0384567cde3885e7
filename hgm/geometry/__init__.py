"""Geometry of triangle meshes and rotations, in whatever frame and units the caller works in."""
