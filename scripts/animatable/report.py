"""Collect the tables and build the page."""

from hgm.core.home_paths import without_home
from hgm.core.job import Job, run
from hgm.core.progress import Progress
from hgm.report.bundle import paper_of
from hgm.report.page import build_page
from hgm.systems.animatable.report.page import AvatarReport
from hgm.systems.animatable.report.run import Run
from hgm.systems.animatable.report.tables import write_tables


def main(job: Job) -> None:
    page = job.path("page")
    data = Run(job.run.path, without_home(job.params["config"]))
    paper = paper_of("animatable")
    progress = Progress("report", 2)
    write_tables(data, paper)
    progress.update(1, "page")
    build_page(data, page.parent, AvatarReport, paper=paper)
    progress.update(2)


if __name__ == "__main__":
    run(main)
