"""Meshes from Gaussians: depth fusion, cleaning, normal-guided refinement and `.glb` files."""

from hgm.mesh.cleaning import clean
from hgm.mesh.extraction import MeshSettings, extract_mesh
from hgm.mesh.fusion import Volume, fuse
from hgm.mesh.io import glb_bytes, load_mesh, save_mesh
from hgm.mesh.refinement import NormalRefinement, NormalTargets, refine_mesh

__all__ = [
    "MeshSettings",
    "NormalRefinement",
    "NormalTargets",
    "Volume",
    "clean",
    "extract_mesh",
    "fuse",
    "glb_bytes",
    "load_mesh",
    "refine_mesh",
    "save_mesh",
]
