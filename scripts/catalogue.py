"""Check every scan and write the list of the usable ones and of those set aside."""

from hgm import catalogue
from hgm.job import Job, run
from hgm.stages.dataset import check_scans
from hgm.stages.places import Place


def main(job: Job) -> None:
    scans = job.params["scans"]
    out = job.path("scans")
    entries = catalogue.configured(scans)
    good = []
    rejected = []
    for data, splits in catalogue.data_sets(scans):
        chosen = [e for e in entries if e.split in splits]
        if chosen or not entries:
            usable, faulty = check_scans(chosen, Place.of(data, out.parent))
            good += usable
            rejected += faulty.items()
    catalogue.write_table(
        out, ["scan", "split", "chunk"], [(e.scan, e.split, e.chunk) for e in good]
    )
    catalogue.write_table(job.path("rejected"), ["scan", "reason"], rejected)


if __name__ == "__main__":
    run(main)
