"""The stages of HGM that `hgm bench` times: networks, splatting, refinement and mesh, each in
several implementations."""
