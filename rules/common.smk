"""What all rules share: the validated configuration, folders, resource classes."""

import sys
from pathlib import Path

# the checkout's packages and plugins, also where another workflow uses this one as a module
checkout = Path(str(workflow.current_basedir)).parent
sys.path[:0] = [str(checkout), str(checkout / "plugins")]

from hgm.core.checkout import default_config
from hgm.workflow.environments import ON_GPU
from hgm.errors import InputError
from hgm.core.isolation import isolate
from hgm.workflow.configuration import check_one_system, is_named, read
from hgm.workflow.plan import plan_for
from snakemake_logger_plugin_live import watch

# keys that are left out have the defaults of the system that a file names, else the values of config.yaml
if not is_named([config]):

    configfile: default_config()


def validated(data):
    """The plan of a configuration; a wrong configuration ends in one line, without a traceback."""
    try:
        isolate()
        check_one_system({path: read(path) for path in workflow.configfiles})
        return plan_for(data)
    except InputError as error:
        raise WorkflowError(f"configuration: {error}") from None


plan = validated(config)
# where another workflow uses this one as a module, it has jobs that the live display does not know
if workflow.modifier.is_main_snakefile():
    watch(plan, workflow)


def require_gpus():
    """End in one line where jobs to run on this machine need a GPU and it has none."""
    try:
        if workflow.is_main_process and workflow.local_exec:
            plan.require_gpus(job.rule.name for job in workflow.dag.needrun_jobs())
    except InputError as error:
        raise WorkflowError(str(error)) from None


def results_folder():
    """Results of this run."""
    return f"results/{plan.config['run']}"


def logs_folder():
    """Logs and job records of this run."""
    return f"results/{plan.config['run']}/logs"


def benchmarks_folder():
    """Time and memory of each job of this run."""
    return f"results/{plan.config['run']}/benchmarks"


def environment(step):
    """The conda environment of a step, in the variant that the configuration names."""
    variant = plan.config["environments"]
    return f"../envs/{step}{f'-{variant}' if step in ON_GPU and variant != 'cpu' else ''}.yaml"


def settings(*sections):
    """Sections of the configuration as parameters."""
    return plan.params(*sections)


def growing(amount):
    """Megabytes or minutes that grow with each attempt. Trainings have slices of constant length instead."""

    def scaled(wildcards, attempt):
        return amount * attempt

    return scaled


def other_results(wildcards):
    """Results of a run besides its report: none, unless a system's rules define this function again."""
    return []
