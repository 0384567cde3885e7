"""The backends of a job, from the configuration's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hgm.nets import spconv_backend
from hgm.splat import backend_for


def job_backends(params: Mapping[str, Any], device: str) -> dict[str, str]:
    """The backend that splats and, for a job with networks, the one that computes sparse
    convolutions on `device`, by their names, which a job records. Raises InputError where the
    settings name one that does not work there."""
    found = {"splat": backend_for(params["splat"], device)}
    if "network" in params:
        found["sparse"] = spconv_backend.resolve_backend(
            params["network"]["sparse_backend"], device
        )
    return found
