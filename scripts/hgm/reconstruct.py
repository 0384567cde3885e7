"""Reconstruct the subjects of one chunk and one variant from one picture each."""

from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.items import MemberTimes, do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.reconstruction import load_reconstructor
from hgm.systems.hgm.run_folder import Networks
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.subjects import reconstruct_subject
from hgm.systems.hgm.variants import VARIANTS


def main(job: Job) -> None:
    params = job.params
    device = select_device(params["device"])
    backends = job_backends(params, device)
    reconstructor = load_reconstructor(
        Networks.of(job),
        params,
        device=device,
        backends=backends,
        compiled=params["network"]["compile"],
    )
    output = Reconstruct(**params["reconstruct"])
    keys = outcome_in(job.path("bodies")).members
    models = job.digests("coarse", "fusion", "back_view")
    times = MemberTimes.of(job)

    def work(subject: str, out: Path) -> None:
        with times.measured(subject) as measures:
            found = reconstruct_subject(
                job.path("views").parent / subject,
                job.path("bodies").parent / subject,
                out,
                reconstructor,
                VARIANTS[job.wildcards["variant"]],
                output,
                backend=backends["splat"],
            )
            measures.update(found)

    do_items(
        job,
        sorted(keys),
        key=lambda s: key_of(dict(params), keys[s], models),
        work=work,
        backends=backends,
    )


if __name__ == "__main__":
    run(main)
