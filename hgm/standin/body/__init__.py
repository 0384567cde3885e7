"""The free body: SMPL-X's skeleton, skinning and poses on a mesh of our own."""
