"""The executor in a Python without snakemake-executor-plugin-slurm: it only says what is missing.

Snakemake imports every plugin that it finds, and it finds this one wherever it is started by
`python -m` in the checkout.
"""

from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False
)


class Executor(RemoteExecutor):
    """Raises WorkflowError with what is missing when a run uses it."""

    def __post_init__(self) -> None:
        raise WorkflowError(
            "--executor slurm-safe: this Python has no snakemake-executor-plugin-slurm; use "
            ".venv/bin/snakemake, or pip install snakemake-executor-plugin-slurm"
        )

    def run_job(self, job: Any) -> None:
        raise NotImplementedError

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> Any:
        raise NotImplementedError
        yield

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        raise NotImplementedError
