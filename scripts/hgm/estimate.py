"""Write the first SMPL-X estimate of each test subject of one chunk."""

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.scans.data_source import body_model
from hgm.systems.hgm.first_bodies import source_of


def main(job: Job) -> None:
    common = {name: value for name, value in job.params.items() if name != "estimate"}
    model = body_model(job.params["scans"], job.run)
    keys = outcome_in(job.path("views")).members
    source = source_of(job.params["source"], job.params["estimate"], job.paths("bodies"))
    views = job.path("views").parent
    do_items(
        job,
        sorted(keys),
        key=lambda s: key_of(common, source.identity(s), keys[s]),
        work=lambda s, out: source.write(s, views / s, model, out, seed=job.params["seed"]),
    )


if __name__ == "__main__":
    run(main)
