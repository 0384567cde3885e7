"""The tool that runs tests under the limits of other processors."""

from pathlib import Path

import numpy as np
import processors
import pytest
from numpy.core import _multiarray_umath as core

MODERN = core.__cpu_features__["AVX2"] and core.__cpu_features__["FMA3"]
TESTS = """
import os
import torch

def test_that_needs_a_modern_processor():
    assert torch.backends.cpu.get_cpu_capability() != "DEFAULT"

def test_of_threads():
    assert torch.get_num_threads() == int(os.environ["HGM_THREADS"])
"""


@pytest.mark.skipif(not MODERN, reason="this processor has no AVX2, which a limit could take away")
@pytest.mark.slow
def test_each_limit_changes_the_numbers_of_its_library():
    native = processors.probe("native")
    sse4 = processors.probe("sse4")
    assert native == processors.probe.__wrapped__("native")
    # which has no quick numbers
    assert {name for name in native if native[name] != sse4[name]} == set(processors.SSE4) - {
        "Cycles"
    }
    numba = processors.probe("numba-sse4")
    assert [name for name in native if native[name] != numba[name]] == ["numba"]


@pytest.mark.skipif(not MODERN, reason="this processor has no AVX2, which a limit could take away")
@pytest.mark.slow
def test_a_test_that_holds_here_only_is_found(tmp_path, capsys):
    (tmp_path / "test_here.py").write_text(TESTS)
    words = ["--tests", str(tmp_path / "test_here.py"), "--workers", "0", "--logs", str(tmp_path)]
    assert processors.main([*words, "--only", "native", "aten-sse4"]) == 1
    found = capsys.readouterr().out.splitlines()
    assert found[3].split()[:4] == ["native", "2", "0", "0"] and found[4].split()[:4] == [
        "aten-sse4",
        "1",
        "0",
        "1",
    ]
    assert found[4].endswith("ATen") and found[5].endswith("test_that_needs_a_modern_processor")
    assert processors.main([*words, "--only", "two-threads"]) == 0


def test_what_is_left_out_exists():
    assert all((Path(__file__).parent / name).exists() for name in processors.WITHOUT_NUMBERS)


def test_a_pytest_that_does_not_start_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(processors, "probe", lambda _: {})
    row = processors.run("native", [str(tmp_path / "none.py")], 0, tmp_path, {})
    assert row.passed == 0 and "status 4" in row.failed[0]


def test_limits_leave_no_other_limit(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    assert "OPENBLAS_CORETYPE" not in processors.environment("native")
    assert processors.environment("openblas-avx2")["OPENBLAS_CORETYPE"] == "Haswell"
    assert np.all(
        [len(variables) for name, variables in processors.LIMITS.items() if name != "native"]
    )
