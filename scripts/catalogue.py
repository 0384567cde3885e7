"""Check every scan; write the list of usable scans and the list of those set aside."""

from hgm.core.job import Job, run
from hgm.scans import catalogue
from hgm.scans.data_source import DataSource
from hgm.scans.dataset import check_scans


def main(job: Job) -> None:
    scans = job.params["scans"]
    out = job.path("scans")
    entries = catalogue.configured_entries(scans)
    good = []
    rejected = []
    for data, splits in catalogue.data_sets(scans):
        chosen = [e for e in entries if e.split in splits]
        if chosen or not entries:
            usable, faulty = check_scans(chosen, DataSource.of(data, job.run))
            good += usable
            rejected += faulty.items()
    catalogue.write_table(
        out, ["scan", "split", "chunk"], [(e.scan, e.split, e.chunk) for e in good]
    )
    catalogue.write_table(job.path("rejected"), ["scan", "reason"], rejected)


if __name__ == "__main__":
    run(main)
