"""The trained networks of a variant, as one that reconstructs with them."""

from __future__ import annotations

from hgm.systems.hgm.back_view.refiner import BackViewRefiner
from hgm.systems.hgm.back_view.settings import BackView
from hgm.systems.hgm.pipeline.equipment import Equipment
from hgm.systems.hgm.reconstruction import Reconstructor
from hgm.systems.hgm.training import load_hgm


def load_networks(equipment: Equipment, *, compiled: bool = False) -> Reconstructor:
    """Read from their folders; those that the variant, or the job, does without stay out.

    compiled: by torch.compile; worth its minutes for many pictures only. Raises InputError for a
    file that is missing or damaged.
    """
    networks = equipment.networks
    config = equipment.config
    device = equipment.device
    sparse = equipment.backends["sparse"]
    assert networks.coarse is not None  # every variant has one
    coarse = load_hgm(networks.coarse, device=device, sparse_backend=sparse)
    fusion = (
        load_hgm(networks.fusion, device=device, sparse_backend=sparse) if networks.fusion else None
    )
    refiner = (
        BackViewRefiner.load(networks.base, networks.controlnet, device)
        if networks.base and networks.controlnet
        else None
    )
    for network in (coarse, fusion, refiner):
        if compiled and network is not None:
            network.compile_networks()
    return Reconstructor(
        coarse,
        fusion,
        refiner,
        size=config["rendering"]["size"],
        back_view=BackView(**config["back_view"]) if "back_view" in config else None,
        device=device,
        backend=equipment.splat,
        precision=config["network"]["precision"],
    )
