"""The rig that scans are rendered with and results are seen by. Without torch: plans read it."""

VIEWS = 12  # cameras on a circle around the pelvis: 0 in front, 3 at +x, 6 behind, 9 at -x
RADIUS = 1.5  # distance of the rig from the pelvis, in normalized units (spec: 2.0 m times 0.75)
FOCAL = 0.8  # focal length in image widths: a field of view of 64.01 degrees
