"""What is written is as open to others as the user's umask says: closed ones stay closed, groups
can share a run."""

import subprocess
import sys

import pytest

WRITES = """
import numpy as np
from hgm.core.files import atomic_folder, atomic_write
from hgm.images.video import write_video
with atomic_write("file", "w") as file:
    file.write("x")
with atomic_folder("folder") as folder:
    (folder / "inside").touch()
write_video("film.mp4", [np.zeros((16, 16, 3), np.uint8)] * 2)
"""


@pytest.mark.parametrize("umask", [0o077, 0o007, 0o022])
def test_permissions_follow_the_umask(tmp_path, umask):
    subprocess.run([sys.executable, "-c", WRITES], cwd=tmp_path, check=True, umask=umask)
    found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert found == {"file": 0o666 & ~umask, "folder": 0o777 & ~umask, "film.mp4": 0o666 & ~umask}
