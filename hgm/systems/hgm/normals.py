"""A small U-Net that predicts a normal map from a picture and the body in it, trained on rendered
normals.

It takes the place of ICON's estimator in the paper. One network serves the photo and the refined
back view, each with its own camera. Its normals are in camera axes, so that front and back look
alike to it.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.core.keys import derived_seed
from hgm.core.manifests import read_json, write_json
from hgm.core.processes import Deadline
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.views import load_image, view_path
from hgm.nets.normal_net import NormalNet
from hgm.nets.weights import load_tensors, save_tensors
from hgm.scans.data_views import NEEDS_NO_NORMALS
from hgm.splat import backend_for
from hgm.splat.normal_maps import KNOWN, body_surfels, normal_error, surfel_normals, to_camera
from hgm.systems.hgm.sections.normals import Normals
from hgm.systems.hgm.starter import as_start
from hgm.train.loop import fit, write_history, write_record
from hgm.train.pictures import Pictures
from hgm.train.prefetch import BODIES_STORE, NORMALS_STORE
from hgm.train.scan_store import ScanStore
from hgm.train.settings import Optimization, Optimizer

WEIGHTS = "weights.safetensors"
MODEL = "model.json"


class BodyViews:
    """Normals of the scans' bodies seen by the cameras of their views, rendered on access.

    Kept in memory: the surfels of each scan, about half a megabyte, and the last used pictures, 3
    MB each at 512 pixels, up to `limit` bytes.
    """

    def __init__(
        self,
        store: ScanStore,
        faces: Tensor,
        *,
        device: str = "cpu",
        backend: str = "auto",
        limit: int = BODIES_STORE,
    ) -> None:
        self.store = store
        self.faces = faces
        self.device = device
        self.backend = backend
        self.limit = limit
        self._surfels: dict[int, Gaussians] = {}
        self._pictures: OrderedDict[tuple[int, int], Tensor] = OrderedDict()

    @property
    def held(self) -> int:
        """Bytes of the pictures in memory."""
        return sum(x.nbytes for x in self._pictures.values())

    def view(self, scan: int, index: int) -> Tensor:
        """Unit normals [3, H, W] in the axes of the view's camera; zero outside the body."""
        key = (scan, index)
        if key not in self._pictures:
            rig = self.store.cameras(scan).to(self.device)
            if scan not in self._surfels:
                self._surfels[scan] = body_surfels(self.store.body(scan), self.faces, rig)
            self._pictures[key] = surfel_normals(
                self._surfels[scan], rig[[index]], backend=self.backend
            )[0]
        self._pictures.move_to_end(key)
        while self.held > self.limit and len(self._pictures) > 1:
            self._pictures.popitem(last=False)
        return self._pictures[key]


def train_normals(
    scans: list[Path],
    faces: Tensor,
    settings: Normals,
    out: Path,
    state: Path,
    *,
    seed: int,
    init: Path | None = None,
    device: str = "cpu",
    backend: str = "auto",
    deadline: Deadline | None = None,
) -> list[dict[str, float]]:
    """Train on every view of the scans' folders. Writes weights, model.json, history.tsv and
    training.json (backends) to `out` and returns the history. init: a file of weights that are the
    start.

    Raises InputError for views that have no normals, or a start of other widths.
    """
    backend = backend_for(backend, device)
    torch.manual_seed(derived_seed(seed, "normals"))
    net = NormalNet(tuple(settings.channels)).to(device)
    if init is not None:
        with as_start("normals"):
            load_tensors(net, init)
    store = ScanStore(scans, Pictures(scans, limit=NORMALS_STORE))
    bodies = BodyViews(store, faces, device=device, backend=backend)
    views = [(scan, view) for scan in range(len(store)) for view in range(len(store.cameras(scan)))]
    for folder in store.folders:
        if not view_path(folder, "normal", 0).is_file():
            raise InputError(
                f"{folder}: its views have no normals to train a net on; {NEEDS_NO_NORMALS}"
            )

    def sample(scan: int, view: int) -> tuple[Tensor, Tensor, Tensor]:
        rig = store.cameras(scan)
        rgb, mask = (x.float() / 255 for x in store.view(scan, view))
        world = load_image(view_path(store.folders[scan], "normal", view)) * 2 - 1
        target = F.normalize(world, dim=0) * (mask > KNOWN)
        return rgb, bodies.view(scan, view), to_camera(target[None], rig[[view]])[0]

    def loss(
        step: int, generator: torch.Generator, part: slice
    ) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = torch.randint(len(views), (settings.batch,), generator=generator).tolist()[part]
        rgb, body, target = (
            torch.stack(x).to(device)
            for x in zip(*(sample(*views[c]) for c in chosen), strict=True)
        )
        return normal_error(net(rgb, body), target), {"body_alone": normal_error(body, target)}

    history = fit(
        net,
        loss,
        Optimization(steps=settings.steps, lr=settings.lr, weight_decay=1e-4),
        optimizer=Optimizer(betas=(0.9, 0.95)),
        stage="normals",
        seed=seed,
        state=state,
        batch=settings.batch,
        deadline=deadline,
        backends={"splat": backend},
        relief="lower rendering.size, or use a larger device",
    )
    save_tensors(net.state_dict(), out / WEIGHTS)
    write_json(out / MODEL, {"channels": settings.channels})
    write_record(out, state)
    write_history(out / "history.tsv", history)
    return history


def load_normals(folder: Path, device: str = "cpu") -> NormalNet:
    """A trained net, frozen."""
    net = NormalNet(tuple(read_json(folder / MODEL)["channels"]))
    load_tensors(net, folder / WEIGHTS)
    return net.to(device).eval().requires_grad_(False)
