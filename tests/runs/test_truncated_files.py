"""Files of a run of HGM that lost their second half: the job that reads one names it."""

import shutil

import pytest
from workspace import Workspace, cut


@pytest.fixture
def space(calm, tmp_path) -> Workspace:
    """A finished run of one's own."""
    return calm.copied_to(tmp_path / "work")


@pytest.mark.parametrize(
    ("file", "job"),
    [
        ("coarse/weights.safetensors", "reconstruct/full/test000"),
        ("coarse/early.safetensors", "pairs"),
        ("views/train000/manifest.json", "coarse"),
        ("views/train000/0000/rgb_00.png", "pairs"),
        ("bodies/estimated/test000.json", "refine/test000"),
        ("base/vae/diffusion_pytorch_model.safetensors", "reconstruct/full/test000"),
        ("subjects/full/0505/gaussians.ply", "mesh/full/test000"),
        ("subjects/full/0505/mesh.glb", "evaluate/full/test000"),
    ],
)
def test_the_job_that_reads_a_truncated_file_names_it(space, file, job):
    path = space.results / file
    cut(path)
    stage = job.split("/")[0]
    for folder in ("subjects/full", stage):
        for mark in space.results.glob(f"{folder}/*/.{stage}.json"):
            mark.unlink()
    shutil.rmtree(space.results / f"state/{job}", ignore_errors=True)
    done = space.hgm("replay", space.results / f"logs/{job}.job.json")
    said = done.stderr
    assert done.returncode == 1 and "Traceback" not in said, said[-3000:]
    assert path.name in said or path.parent.name in said, said[-3000:]
