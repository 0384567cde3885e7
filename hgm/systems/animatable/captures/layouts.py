"""The layouts by their names in the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from hgm.systems.animatable.captures.actorshq import ActorsHQ
from hgm.systems.animatable.captures.avatarrex import AvatarReX
from hgm.systems.animatable.captures.thuman4 import THuman4
from hgm.systems.animatable.captures.viewpoint import Layout

LAYOUTS: Mapping[str, Layout] = {
    "avatarrex": AvatarReX(),
    "thuman4": THuman4(),
    "actorshq": ActorsHQ(),
}
