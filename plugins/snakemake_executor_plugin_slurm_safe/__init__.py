"""`--executor slurm-safe`: the executor of snakemake-executor-plugin-slurm for runs of days, which
loses no job.

What differs from the plugin that it extends: a controller that does not answer is asked again later
instead of its jobs being forgotten; every end of a job is noticed, also scancel and preemption; a
head that was killed finds its jobs again instead of submitting second copies; nothing passes
through a shell; a job starts Snakemake once, not twice; one file describes the site. All settings
of the plugin exist as `--slurm-safe-<name>`.
"""

try:
    from snakemake_executor_plugin_slurm_safe.executor import (
        Executor,
        ExecutorSettings,
        common_settings,
    )
except ModuleNotFoundError as error:
    if error.name != "snakemake_executor_plugin_slurm":
        raise
    from snakemake_executor_plugin_slurm_safe.absent import Executor, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
