"""Reconstruct the photos that the configuration names."""

import logging
from pathlib import Path

from hgm.core.items import for_each, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import file_digest, key_of
from hgm.core.manifests import write_json
from hgm.images.photos.sources import BODY, find_photos
from hgm.systems.hgm.contact import write_contact_sheet
from hgm.systems.hgm.estimators import people_folder, with_bodies
from hgm.systems.hgm.normal_estimators import estimator_digest
from hgm.systems.hgm.photos import PhotoPipeline


def main(job: Job) -> None:
    params = job.params
    manifest = job.path("manifest")
    results = manifest.parents[1]
    pipeline = PhotoPipeline.of(
        results, params, params["variant"], device=params["device"], mesh=True
    )
    found = find_photos([p for p in job.paths("photos") if p.suffix != BODY])
    for estimated in job.paths("bodies"):
        found = with_bodies(found, people_folder(estimated), outcome_in(estimated))
    photos = {p.name: p for p in found}
    models = [
        file_digest(p)
        for name in ("models", "coarse", "fusion", "back_view")
        for p in job.paths(name)
    ]
    models += [] if pipeline.normals is None else [estimator_digest(params["normals"], results)]

    def work(name: str, out: Path) -> None:
        for note in pipeline.reconstruct(photos[name], out).notes:
            logging.warning("%s: %s", name, note)

    outcome = for_each(
        photos,
        job.rule,
        folder=lambda n: manifest.parent / n,
        key=lambda n: key_of(dict(params), [file_digest(p) for p in photos[n].files], models),
        work=work,
        backends=pipeline.backends,
    )
    write_contact_sheet(
        {name: manifest.parent / name for name in outcome.members}, job.path("sheet")
    )
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
