"""Collect the tables and build the page."""

from hgm.core.home_paths import without_home
from hgm.core.job import Job, run
from hgm.core.progress import Progress
from hgm.report.bundle import paper_of
from hgm.systems.monogaussian.report.page import build_report
from hgm.systems.monogaussian.report.run import Run
from hgm.systems.monogaussian.report.tables import write_tables


def main(job: Job) -> None:
    page = job.path("page")
    shown = without_home(job.params["config"])
    progress = Progress("report", 2)
    write_tables(Run(job.run.path, shown), paper_of("monogaussian"))
    progress.update(1, "page")
    build_report(job.run.path, page.parent, shown)
    progress.update(2)


if __name__ == "__main__":
    run(main)
