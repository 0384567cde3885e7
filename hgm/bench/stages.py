"""What is timed, by the names that `--only` takes."""

from __future__ import annotations

from collections.abc import Callable

from hgm.bench.measure import Way
from hgm.bench.networks import backward_ways, forward_ways, photo_ways, training_ways
from hgm.bench.scene import Scene
from hgm.bench.settings import Settings
from hgm.bench.splatting import splatting_ways
from hgm.bench.surfaces import mesh_ways, refinement_ways
from hgm.bench.volume import volume_ways

STAGES: dict[str, Callable[[Settings, Scene], list[Way]]] = {
    "coarse": lambda settings, scene: forward_ways(settings, scene, 1),
    "fusion": lambda settings, scene: forward_ways(settings, scene, 2),
    "coarse-backward": backward_ways,
    "training": training_ways,
    "splatting": lambda settings, scene: splatting_ways(settings, scene, backward=False),
    "splatting-backward": lambda settings, scene: splatting_ways(settings, scene, backward=True),
    "volume": volume_ways,
    "photo": photo_ways,
    "refinement": refinement_ways,
    "mesh": mesh_ways,
}
