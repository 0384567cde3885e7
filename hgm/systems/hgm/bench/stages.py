"""The stages that are timed, by the names that `--only` takes."""

from __future__ import annotations

from collections.abc import Callable

from hgm.bench.measure import Way
from hgm.bench.run import Bench
from hgm.systems.hgm.bench.networks import backward_ways, forward_ways, photo_ways, training_ways
from hgm.systems.hgm.bench.scene import Scene
from hgm.systems.hgm.bench.settings import Settings
from hgm.systems.hgm.bench.splatting import splatting_ways
from hgm.systems.hgm.bench.surfaces import mesh_ways, refinement_ways
from hgm.systems.hgm.bench.volume import volume_ways

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


def bench(settings: Settings) -> Bench:
    """The benchmark of HGM's stages on a stand-in body."""
    return Bench(settings, STAGES, lambda: Scene(settings.sizes.network(1), settings.device))
