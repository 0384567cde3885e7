import pytest
from workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """An empty working folder."""
    return Workspace(tmp_path / "work")
