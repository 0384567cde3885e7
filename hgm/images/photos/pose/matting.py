"""People in front of any background, by MediaPipe Pose."""

from __future__ import annotations

from hgm.errors import InputError
from hgm.images.photos.edges import following_edges
from hgm.images.photos.matting import Matte
from hgm.images.photos.picture import PhotoPixels
from hgm.images.photos.pose.estimator import PoseEstimator
from hgm.images.photos.pose.published import LANDMARKS

REACH = 3.0  # pixels of the network's mask, that its edge may be beside the person's


class PoseMask:
    """The largest person alone; the edges of the network's small mask are moved to those of the
    picture."""

    def __init__(self, estimator: PoseEstimator) -> None:
        self._estimator = estimator

    def matte(self, picture: PhotoPixels) -> Matte:
        """Raises InputError where the picture shows nobody or the networks are not there."""
        people = self._estimator.look(picture.rgb)
        if people is None:
            raise InputError(
                "nobody found; give a photo of one person from head to foot with room around, or a "
                "mask (--mask FILE, or <photo>_mask.png beside the photo)"
            )
        person = people.largest
        reach = REACH * person.next_crop.edge / LANDMARKS.edge
        coverage = following_edges(person.coverage, picture.rgb, reach)
        return Matte(coverage, "MediaPipe Pose", notes=people.notes)
