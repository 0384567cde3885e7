"""Meshes from Gaussians: depth fusion, cleaning, normal-guided refinement and `.glb` files."""
