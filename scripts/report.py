"""Collect the tables and build the page."""

from hgm.job import Job, run
from hgm.report.page import build_report
from hgm.report.run import Run
from hgm.report.sets import back_view_kid
from hgm.report.tables import write_tables


def main(job: Job) -> None:
    config, page = job.params["config"], job.path("page")
    results = page.parents[1]
    data = Run(results, config)
    write_tables(data, job.path("paper"), kid=back_view_kid(data, config["weights"]["inception"], seed=config["seed"]))
    build_report(results, page.parent, config, paper=job.path("paper"))


if __name__ == "__main__":
    run(main)
