"""The published weights that metrics need: section `weights` of a configuration."""

from __future__ import annotations

from hgm.core.settings import Section, described


class PerceptualWeights(Section):
    """Files of LPIPS that a user brings; without them it is not available."""

    vgg16: str | None = described(
        None, "torchvision's vgg16-397923af.pth; without it LPIPS is not available"
    )
    lpips: str | None = described(
        None, "LPIPS heads for VGG (lpips/weights/v0.1/vgg.pth); without it LPIPS is not available"
    )


class Weights(PerceptualWeights):
    """Files that a user brings; metrics without their weights are not available."""

    inception: str | None = described(
        None, "weights-inception-2015-12-05-6726825d.pth; without it KID is not available"
    )
