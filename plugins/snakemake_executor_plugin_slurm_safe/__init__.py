"""`--executor slurm-safe`: the executor of snakemake-executor-plugin-slurm, made safe for runs of
days: no job is lost.

Differences from that plugin: when the controller does not answer, it is asked again later, and its
jobs are not forgotten; every end of a job is noticed, scancel and preemption included; a head
process (the Snakemake that submits) that was killed finds its jobs again and submits no second
copies; nothing passes through a shell; a job starts Snakemake once, not twice; one file describes
the site. All settings of the plugin exist as `--slurm-safe-<name>`.
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
