"""Give the first SMPL-X of the test subjects of one chunk."""

from pathlib import Path

from hgm.errors import InputError
from hgm.job import Job, run
from hgm.members import for_each
from hgm.provenance import key_of, read_json, write_json
from hgm.stages.bodies import estimate_subject, given_subject
from hgm.stages.places import body_model


def main(job: Job) -> None:
    section, manifest = job.params["estimate"], job.path("manifest")
    views = job.path("views")
    model = body_model(job.params["scans"], manifest.parents[2])
    keys = read_json(views)["members"]

    def work(subject: str, out: Path) -> None:
        if section["source"] == "disturbed":
            estimate_subject(views.parent / subject, model, out, seed=job.params["seed"], mpjpe_mm=section["mpjpe_mm"])
            return
        if section["folder"] is None:
            raise InputError("estimate.folder: source: fits needs the folder of an estimator's files (docs/estimators.md)")
        given_subject(Path(section["folder"]), views.parent / subject, model, out)

    outcome = for_each(sorted(keys), job.rule, folder=lambda s: manifest.parent / s,
                       key=lambda s: key_of(dict(job.params), keys[s]), work=work)
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
