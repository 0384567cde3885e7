"""First estimates of a body from a photo, as estimators write them: PIXIE, PyMAF-X, or any file of
SMPL-X parameters.

Each format has a module; `read_estimate` tells them apart by their keys.
"""

from hgm.body.estimates.detected import DetectedBody
from hgm.body.estimates.reading import check_estimate, open_estimate, read_estimate

__all__ = ["DetectedBody", "check_estimate", "open_estimate", "read_estimate"]
