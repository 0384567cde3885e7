"""A process that forks heads of Snakemake and commands of `hgm`; heads.Heads starts it. It imports
once what they and their jobs import, which is most of the time of a tiny run.

All else is as in processes of their own: a fork has a session, an environment and a folder, the
jobs of a head are forks in its session, and a script that fails fails its job. Each line read is an
order, each line written its answer: the id of a new process, or how a process has ended.
"""

import contextlib
import importlib
import json
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from multiprocessing import connection, forkserver, resource_tracker, util
from multiprocessing.connection import Connection

from snakemake import cli
from snakemake.benchmark import benchmarked
from snakemake.script import PythonScript


def work(script: str, environment: Mapping[str, str], watched: Connection) -> None:
    """Do a job as `python script` does, once its benchmark has begun."""
    watched.recv()
    settle(environment)
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")


def settle(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def serve_jobs() -> None:
    """Let another fork of this process be the server that Python's forkserver asks for processes;
    the server ends with this process."""
    resource_tracker.ensure_running()  # here, not in the folder of a run
    address = connection.arbitrary_address("AF_UNIX")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    ends, alive = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(alive)
        with contextlib.suppress(SystemExit):
            forkserver.main(listener.detach(), ends, [])
        os._exit(0)
    os.close(ends)
    listener.close()
    server = forkserver._forkserver
    server._forkserver_address = address
    server._forkserver_alive_fd = alive
    server._forkserver_pid = process


def snakemake(words: list[str]) -> int:
    serve_jobs()
    forks = multiprocessing.get_context("forkserver")
    # a process that starts asks all others how they ended, which only one thread may
    asking = threading.Lock()

    def execute_script(self: PythonScript, script: str, edit: bool = False) -> None:
        watched, begun = forks.Pipe(duplex=False)
        process = forks.Process(target=work, args=(script, dict(os.environ), watched))
        with asking:
            process.start()
        measured = (
            benchmarked(process.pid, self.bench_record)
            if self.bench_record is not None
            else contextlib.nullcontext()
        )
        with measured:
            begun.send(True)
            connection.wait([process.sentinel])
        with asking:
            process.join()
        if process.exitcode:
            raise subprocess.CalledProcessError(process.exitcode, [os.fspath(script)])

    PythonScript.execute_script = execute_script
    return cli.main(words)


def hgm(words: list[str]) -> int:
    from hgm.cli import main

    return main(words)


def begin(
    begun: int,
    program: str,
    words: list[str],
    environment: dict[str, str],
    folder: str,
    files: list[str],
) -> None:
    """Become the program, with what it writes in files. begun: closed once it has a session."""
    os.setsid()
    os.close(begun)
    settle(environment)
    os.chdir(folder)
    places = [os.open(os.devnull, os.O_RDONLY)]
    places += [os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for file in files]
    for i, place in enumerate(places):
        os.dup2(place, i)
        os.close(place)
    sys.argv = [program, *words]
    status = 1
    try:
        status = {"snakemake": snakemake, "hgm": hgm}[program](words)
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # libraries would wait for threads that a fork does not have


def ended(process: int) -> int | None:
    """The exit status of a fork, as subprocess has it; None while it works."""
    found, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def load(name: str) -> None:
    """Import a module, or what a function imports, `module:function`."""
    module, _, function = name.partition(":")
    found = importlib.import_module(module)
    if function:
        getattr(found, function)()


def serve() -> None:
    util.get_temp_dir()  # made and cleared up by this process, used by its forks
    for line in sys.stdin:
        order = json.loads(line)
        if "ended" in order:
            answer = ended(order["ended"])
        else:
            for name in order.pop("imports"):
                load(name)
            ready, begun = os.pipe()
            answer = os.fork()
            if answer == 0:
                begin(begun, **order)
            os.close(begun)
            os.read(ready, 1)  # the end of the pipe: from now on its session can be killed
            os.close(ready)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
