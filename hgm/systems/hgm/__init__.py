"""HGM, "Generalizable Human Gaussians from Single-View Image" (ICLR 2025): from one photo."""
