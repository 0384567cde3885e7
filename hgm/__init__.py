"""HGM, "Generalizable Human Gaussians from Single-View Image", from scans to Gaussians, meshes and
tables."""

__version__ = "0.1.0"
