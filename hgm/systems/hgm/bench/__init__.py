"""What of HGM is timed: its networks, splatting, refinement and mesh, each in several ways."""
