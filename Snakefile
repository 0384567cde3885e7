"""One run of one system, from its data to its report. `config.yaml` is HGM's demo; a preset in `config/<system>/` says what differs."""

from snakemake.utils import min_version

min_version("9.25")


include: "rules/common.smk"


pathvars:
    results=results_folder(),
    logs=logs_folder(),
    benchmarks=benchmarks_folder(),


include: "rules/run.smk"
include: f"rules/{plan.system}.smk"


onstart:
    require_gpus()


rule all:
    """The report with everything that it is made from, and the other results of the system."""
    default_target: True
    input:
        "<results>/report/index.html",
        other_results,
