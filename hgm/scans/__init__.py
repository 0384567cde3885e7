"""Textured scans of people: finding their files, checking them, reading them, and the frame they
are rendered in."""

from hgm.scans.obj import ObjMesh, load_obj
from hgm.scans.preflight import CheckedScan, preflight
from hgm.scans.thuman import ScanFiles, locate, scan_names

__all__ = ["CheckedScan", "ObjMesh", "ScanFiles", "load_obj", "locate", "preflight", "scan_names"]
