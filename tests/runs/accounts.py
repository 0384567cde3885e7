"""The job accounts of a local cluster: a MariaDB and a slurmdbd in its folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cluster_files import program

PROGRAMS = ("mariadbd", "mariadb-install-db", "slurmdbd", "sacct", "sacctmgr")


def available() -> bool:
    """Whether a cluster here can keep accounts (Debian: slurmdbd, mariadb-server)."""
    return all(map(program, PROGRAMS))


def make_database(folder: Path) -> None:
    """An empty database without passwords, which only this machine can reach."""
    (folder / "db_tmp").mkdir()
    done = subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            *_places(folder),
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _places(folder: Path) -> list[str]:
    """Of a database's files. A server that starts deletes all temporary tables in its folder of
    them, those of another server at work in /tmp included."""
    return [f"--datadir={folder}/db", f"--tmpdir={folder}/db_tmp"]


def database_command(folder: Path, port: int) -> list[str]:
    """The command that runs the server of `make_database` in the foreground."""
    return [
        "--no-defaults",
        *_places(folder),
        f"--socket={folder}/run/db.socket",
        f"--pid-file={folder}/run/db.pid",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        "--skip-grant-tables",
        "--skip-name-resolve",
        "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
        *(["--user=root"] if os.getuid() == 0 else []),
    ]


def settings(folder: Path, user: str, host: str, port: int, database_port: int) -> str:
    """The text of slurmdbd.conf."""
    return "\n".join(
        [
            "AuthType=auth/munge",
            f"AuthInfo=socket={folder}/run/munge.socket",
            f"DbdHost={host}",
            "DbdAddr=127.0.0.1",
            f"DbdPort={port}",
            f"SlurmUser={user}",
            f"LogFile={folder}/log/slurmdbd.log",
            f"PidFile={folder}/run/slurmdbd.pid",
            "StorageType=accounting_storage/mysql",
            "StorageHost=127.0.0.1",
            f"StoragePort={database_port}",
            "StorageUser=root",
            "StorageLoc=slurm_acct_db",
            "",
        ]
    )
