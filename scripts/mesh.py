"""Mesh the subjects of one chunk and one variant."""

from pathlib import Path

from hgm.gaussians import Gaussians
from hgm.job import Job, run
from hgm.members import for_each
from hgm.mesh.extraction import MeshSettings, extract_mesh
from hgm.mesh.io import save_mesh
from hgm.mesh.picture import mesh_picture
from hgm.mesh.refinement import NormalRefinement
from hgm.provenance import key_of, read_json, write_json
from hgm.runtime import select_device
from hgm.views import save_image


def main(job: Job) -> None:
    params, manifest = job.params, job.path("manifest")
    device, section = select_device(params["device"]), dict(params["mesh"])
    settings = MeshSettings(refinement=NormalRefinement(steps=section.pop("refine_steps")), **section)
    keys = read_json(job.path("subjects"))["members"]

    def work(_: str, out: Path) -> None:
        gaussians = Gaussians.load_ply(out / "gaussians.ply").to(device)
        mesh = extract_mesh(gaussians, settings=settings, backend=params["splat"])
        save_mesh(out / "mesh.glb", mesh)
        save_image(out / "mesh.png", mesh_picture(mesh))

    outcome = for_each(sorted(keys), job.rule, folder=lambda s: manifest.parent / s,
                       key=lambda s: key_of(dict(params), keys[s]), work=work)
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
