"""What the pipeline starts from: one picture of a person, and its camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from hgm.cameras import Cameras
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, view_path


@dataclass(frozen=True)
class InputView:
    """One picture of a person, cut out."""

    image: Tensor  # [3, H, W] in [0, 1] over white
    mask: Tensor  # [1, H, W] coverage
    views: Viewpoints  # the front one took the picture, the others its result is seen from

    @classmethod
    def rendered(cls, folder: Path) -> InputView:
        """The front view of a view folder. Raises InputError for views that cannot be used."""
        views = Viewpoints.read(folder)
        image, mask = (load_image(view_path(folder, kind, views.front)) for kind in ("rgb", "mask"))
        return cls(image, mask, views)

    @property
    def camera(self) -> Cameras:
        """The unbatched camera of the picture."""
        return self.views.cameras[self.views.front]
