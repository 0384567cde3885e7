"""The parametric body: SMPL-X through the `smplx` package, in meters, y up, the person facing +z.

This module imports nothing, since plans import `hgm.body.estimators` at every start.
"""
