"""Rays that meet a mesh, and its nearest points."""

import subprocess
import sys

import numpy as np
import pytest

from hgm.errors import InputError
from hgm.geometry.rays import RayMesh

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, -1], [1, 0, -1], [0, 1, -1]], float)
FACES = np.array([[0, 1, 2], [3, 4, 5]])


def test_the_first_of_two_faces_is_hit() -> None:
    origins = np.array([[[0.25, 0.5, 1], [0.9, 0.9, 1]]])  # leading dimensions are kept
    face, weights, distance = RayMesh(VERTICES, FACES).hits(
        origins, np.broadcast_to([0, 0, -0.5], origins.shape)
    )
    assert face.tolist() == [[0, -1]]
    np.testing.assert_allclose(weights[0, 0], [0.25, 0.25, 0.5], atol=1e-6)
    assert distance[0, 0] == pytest.approx(2)  # in lengths of the direction
    assert np.isinf(distance[0, 1])


def test_nearest_points_and_the_normals_there() -> None:
    points, normals = RayMesh(VERTICES, FACES).nearest(np.array([[0.2, 0.2, 3], [-1, 0, -2]]))
    np.testing.assert_allclose(points, [[0.2, 0.2, 0], [0, 0, -1]], atol=1e-6)
    np.testing.assert_allclose(np.abs(normals), [[0, 0, 1], [0, 0, 1]])


def test_a_wrong_number_of_threads_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HGM_THREADS", "none")
    with pytest.raises(InputError, match="HGM_THREADS"):
        RayMesh(VERTICES, FACES)


LOADED = """
import sys
from hgm.geometry.rays import RayMesh
RayMesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
assert not {"sklearn", "pandas", "dash"} & set(sys.modules)
import open3d
assert callable(open3d.visualization.draw_plotly) and "dash" in sys.modules
assert not hasattr(open3d, "nothing")
from open3d import ml
assert ml.datasets and "sklearn" in sys.modules
"""
IN_A_NOTEBOOK = """
import builtins
class ZMQInteractiveShell: pass
builtins.get_ipython = ZMQInteractiveShell
from hgm.geometry.rays import import_open3d
assert callable(import_open3d().visualization.webrtc_server.enable_webrtc)
"""


@pytest.mark.parametrize("program", [LOADED, IN_A_NOTEBOOK], ids=["job", "notebook"])
def test_parts_of_open3d_are_loaded_when_they_are_asked_for(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
