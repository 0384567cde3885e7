"""Give the first SMPL-X of the test subjects of one chunk."""

from pathlib import Path

from hgm.body.estimators.files import estimate_files
from hgm.body.estimators.programs import picture_name
from hgm.core.items import for_each
from hgm.core.job import Job, run
from hgm.core.keys import file_digest, key_of
from hgm.core.manifests import read_json, write_json
from hgm.errors import InputError
from hgm.scans.data_source import body_model
from hgm.systems.hgm.bodies import estimate_subject, given_subject
from hgm.systems.hgm.estimators import people_folder


def main(job: Job) -> None:
    params = job.params
    section = job.params["estimate"]
    manifest = job.path("manifest")
    views = job.path("views")
    source = job.params["source"]
    common = {name: value for name, value in params.items() if name != "estimate"}
    model = body_model(params["scans"], manifest.parents[2])
    keys = read_json(views)["members"]
    bodies = job.paths("bodies")  # an estimator's manifest, or the user's own files
    seen = read_json(bodies[0]) if source in ("pixie", "pymafx") else {"members": {}, "failed": {}}

    def given(subject: str) -> object:
        """What decides the subject's body besides the views."""
        if source == "disturbed":
            return section["mpjpe_mm"]
        if source == "fits":
            return [file_digest(path) for path in estimate_files(section["folder"], [subject])]
        return seen["members"].get(subject)

    def work(subject: str, out: Path) -> None:
        if source == "disturbed":
            estimate_subject(
                views.parent / subject,
                model,
                out,
                seed=params["seed"],
                mpjpe_mm=section["mpjpe_mm"],
            )
        elif source == "fits":
            given_subject(Path(section["folder"]), views.parent / subject, model, out)
        elif subject in seen["members"]:
            given_subject(
                people_folder(bodies[0]) / subject,
                views.parent / subject,
                model,
                out,
                name=picture_name(subject),
            )
        else:
            raise InputError(
                seen["failed"].get(
                    subject, f"{bodies[0]}: does not name {subject}; delete it and run again"
                )
            )

    outcome = for_each(
        sorted(keys),
        job.rule,
        folder=lambda s: manifest.parent / s,
        key=lambda s: key_of(common, given(s), keys[s]),
        work=work,
    )
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
