"""The parametric body: SMPL-X through the `smplx` package, in meters, y up, the person facing +z.

Without imports: plans ask `hgm.body.estimators` at every start.
"""
