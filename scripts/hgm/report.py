"""Collect the tables and build the page."""

from hgm.core.home_paths import without_home
from hgm.core.job import Job, run
from hgm.core.progress import Progress
from hgm.report.bundle import paper_of
from hgm.systems.hgm.report.kid import back_view_kid
from hgm.systems.hgm.report.page import build_report
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.report.tables import write_tables


def main(job: Job) -> None:
    config = job.params["config"]
    page = job.path("page")
    results = job.run.path
    shown = without_home(config)
    data = Run(results, shown)
    progress = Progress("report", 3)
    kid = back_view_kid(data, config["weights"]["inception"], seed=config["seed"])
    progress.update(1, "tables")
    write_tables(data, paper_of("hgm"), kid=kid)
    progress.update(2, "page")
    build_report(results, page.parent, shown)
    progress.update(3)


if __name__ == "__main__":
    run(main)
