"""The body whose landmarks an estimator saw in a picture, by damped least squares.

An estimator gives landmarks in pixels, which are good, and in meters, whose depths are rough. The
pose, the shape and the place of a body model are sought that explain both, within the limits of its
joints (`chain`, `problem`, `fit`). A picture fits several bodies: with every depth turned round,
and, seen from behind, with left and right exchanged. So a body is fitted to each of these readings
(`seen`), and whoever has the silhouette decides.
"""

from hgm.body.estimates.landmarks.fit import Fitted, fit_landmarks
from hgm.body.estimates.landmarks.seen import Landmarks

__all__ = ["Fitted", "Landmarks", "fit_landmarks"]
