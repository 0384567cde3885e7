"""Reconstruct the photos that the configuration names."""

import logging
from pathlib import Path

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import file_digest, key_of
from hgm.images.photos.sources import BODY, find_photos
from hgm.systems.hgm.contact import write_contact_sheet
from hgm.systems.hgm.estimators import people_folder, with_bodies
from hgm.systems.hgm.photos import PhotoPipeline
from hgm.systems.hgm.pipeline.equipment import Equipment


def main(job: Job) -> None:
    params = job.params
    equipment = Equipment.of_job(job)
    pipeline = PhotoPipeline.of(equipment, mesh=True)
    found = find_photos([p for p in job.paths("photos") if p.suffix != BODY])
    for estimated in job.paths("bodies"):
        found = with_bodies(found, people_folder(estimated), outcome_in(estimated))
    photos = {p.name: p for p in found}
    models = job.digests("models", "coarse", "fusion", "back_view") + pipeline.digests

    def work(name: str, out: Path) -> None:
        for note in pipeline.do(photos[name], out).notes:
            logging.warning("%s: %s", name, note)

    outcome = do_items(
        job,
        photos,
        key=lambda n: key_of(dict(params), [file_digest(p) for p in photos[n].files], models),
        work=work,
        backends=equipment.backends,
    )
    out = job.path("manifest").parent
    write_contact_sheet({name: out / name for name in outcome.members}, job.path("sheet"))


if __name__ == "__main__":
    run(main)
