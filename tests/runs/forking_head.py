"""Snakemake whose jobs are forks of one process that has imported what the jobs of HGM import: most
of the time of a tiny job. Started as `python forking_head.py`, with the arguments of `python -m
snakemake`.

Everything else is as in a run: a script gets its job from Snakemake, and a script that fails fails
its job.
"""

import contextlib
import multiprocessing
import os
import runpy
import subprocess
import sys

# torch and diffusers import the first two when they are first used
IMPORTED = [
    "torch._dynamo",
    "diffusers.models.autoencoders.autoencoder_kl",
    "open3d",
    "trimesh",
    "hgm.splat",
]


def work(script: str) -> None:
    """Do a job as `python script` does."""
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    from snakemake import cli
    from snakemake.benchmark import benchmarked
    from snakemake.script import PythonScript

    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(IMPORTED)

    def execute_script(self: PythonScript, script: str, edit: bool = False) -> None:
        process = forks.Process(target=work, args=(script,))
        process.start()
        measured = (
            benchmarked(process.pid, self.bench_record)
            if self.bench_record is not None
            else contextlib.nullcontext()
        )
        with measured:
            process.join()
        if process.exitcode:
            raise subprocess.CalledProcessError(process.exitcode, [os.fspath(script)])

    PythonScript.execute_script = execute_script
    cli.main()
