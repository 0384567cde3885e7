"""Checks on a CUDA device. With `--pretended-cuda` they run on a pretended one, except those that
need the fixture `real`.

They need torch, numpy, scipy, pydantic, PyYAML, safetensors, pillow, diffusers, transformers, smplx
and trimesh, but no other package of the environment: neither Open3D nor Blender, numba, Snakemake
or joblib.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from bare_bodies import write_views
from pretended_cuda import pretended_cuda, quick_splatting

from hgm.body.model import BodyModel
from hgm.splat import Rendering, surfels
from hgm.standin.body import core
from hgm.systems.hgm.bench.scene import Scene
from hgm.systems.hgm.networks.config import HGMConfig


@pytest.fixture(autouse=True)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.config.getoption("pretended_cuda"):
        quick = (
            importlib.util.find_spec("numba") is not None
            and request.module.__name__ != "test_gpu_splatting"
        )
        with pretended_cuda(), quick_splatting() if quick else contextlib.nullcontext():
            yield "cuda"
        return
    yield "cuda"
    torch.cuda.empty_cache()


@pytest.fixture
def real(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("pretended_cuda"):
        pytest.skip("needs a real CUDA device")


@pytest.fixture(scope="session", autouse=True)
def thickness() -> Iterator[None]:
    """Without Open3D a constant takes the place of its rays; only how deep discs lie in a body
    depends on it."""
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("open3d") is None:
            patch.setattr(
                surfels,
                "_thickness",
                lambda vertices, faces, centroid, normal: torch.full((len(faces),), 0.05),
            )
        yield


@pytest.fixture(scope="session")
def model() -> BodyModel:
    return BodyModel(core.model("male"))


@pytest.fixture(scope="session")
def rendered(
    model: BodyModel, thickness: None, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Two view folders."""
    folders = [tmp_path_factory.mktemp("gpu") / "train000" / f"{seed:04d}" for seed in range(2)]
    for seed, folder in enumerate(folders):
        write_views(folder, model, seed=seed)
    return folders


@pytest.fixture(scope="session")
def scene_of_the_cpu() -> Scene:
    return Scene(HGMConfig.tiny(1), "cpu")


@pytest.fixture
def scene(scene_of_the_cpu: Scene, device: str) -> Scene:
    """The stand-in body with Gaussians and pictures of it, on the device."""
    made = Scene(scene_of_the_cpu.config, device)
    made.pictures = Rendering(*(x.to(device) for x in scene_of_the_cpu.pictures))
    return made
