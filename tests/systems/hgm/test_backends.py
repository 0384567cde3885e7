"""A splatting backend for the GPU, named in the configuration, and the parts of the workflow that
work on a CPU."""

import pytest
import torch
from checkouts import ROOT

from hgm.body.files import load_body
from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.splat import BACKENDS
from hgm.splat.normal_maps import body_normals
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.evaluation import renders, textured_body
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.normals import train_normals
from hgm.systems.hgm.sections.normals import Normals
from hgm.systems.hgm.sections.training import Coarse, Loss, Network
from hgm.systems.hgm.training import Training, train_hgm
from hgm.workflow.configuration import resolve

ON_CUDA = [name for name, (where, _) in BACKENDS.items() if where == "cuda"]


@pytest.mark.parametrize("name", ON_CUDA)
def test_measures_and_normals_are_drawn_on_the_cpu(name, model, rendered, tmp_path):
    body = torch.from_numpy(load_body(rendered[0] / "smplx.npz")["vertices"])
    gaussians: Gaussians = textured_body(
        body, model.faces, torch.rand(3, 32, 32), orbit(size=32)[0]
    )
    assert torch.equal(
        renders(gaussians, orbit(size=16), name), renders(gaussians, orbit(size=16), "auto")
    )
    rig = orbit(size=32)[[0, 6]]
    assert torch.equal(
        body_normals(body, model.faces, rig, backend=name), body_normals(body, model.faces, rig)
    )
    settings = Normals(channels=[8, 16], steps=1, batch=4, lr=1e-3)
    train_normals(
        rendered, model.faces, settings, tmp_path / "out", tmp_path / "state", seed=0, backend=name
    )


def test_a_training_on_a_cpu_takes_the_cpus_backend(rendered, tmp_path):
    training = Training(
        Coarse(steps=1, lr=1e-3, accumulate=1, supervised=1),
        rendered,
        [],
        size=64,
        network=Network(precision="fp32"),
        loss=Loss(),
        backend="gsplat",
    )
    train_hgm(HGMConfig.tiny(use_body=False), training, tmp_path / "out", tmp_path / "state")
    assert (tmp_path / "out/weights.safetensors").is_file()


def test_the_backends_of_a_job():
    for name in ("auto", *ON_CUDA):
        assert job_backends(resolve({"splat": name}), "cpu") == {
            "splat": "numba",
            "sparse": "torch",
        }
    # of a rule without networks
    assert job_backends({"splat": "torch"}, "cpu") == {"splat": "torch"}
    with pytest.raises(InputError, match="numba runs on cpu"):
        job_backends({"splat": "numba"}, "cuda")


def test_no_script_hands_the_setting_on_as_it_is():
    """But the trainings, where each process asks for the device of its own."""
    found = {
        path.name
        for path in (ROOT / "scripts/hgm").rglob("*.py")
        if 'params["splat"]' in path.read_text()
    }
    assert found == {"normals.py"}
