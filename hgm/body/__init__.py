"""The parametric body: SMPL-X through the `smplx` package, in meters, y up, the person facing
+z."""

from hgm.body.canonical import CanonicalBody, canonical, stature
from hgm.body.model import Body, BodyModel
from hgm.body.parameters import BodyParameters

__all__ = ["Body", "BodyModel", "BodyParameters", "CanonicalBody", "canonical", "stature"]
