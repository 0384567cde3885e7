"""A model on disk: `weights.safetensors` beside `model.json`, loaded strictly."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from hgm.core.files import atomic_write
from hgm.errors import InputError
from hgm.nets.weights import WEIGHTS, assign, read_tensors, require_equal_shapes, save_tensors
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM

MODEL = "model.json"


def save_model(model: HGM, folder: str | Path) -> None:
    """Write weights and config to a folder; equal weights give equal bytes."""
    save_tensors(model.state_dict(), Path(folder) / WEIGHTS)
    with atomic_write(Path(folder) / MODEL, "w") as file:
        json.dump(model.config.to_json(), file, indent=1, sort_keys=True)
        file.write("\n")


def load_model(
    folder: str | Path,
    device: str | torch.device = "cpu",
    *,
    weights: str = WEIGHTS,
    sparse_backend: str = "auto",
) -> HGM:
    """The model in a folder that `save_model` wrote, in eval mode; `weights` names another file of
    its weights there. Raises InputError for a file that is missing, damaged or of another model."""
    path = Path(folder) / MODEL
    try:
        config = HGMConfig.from_json(json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; expected a folder with {MODEL} and {weights}"
        ) from None
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); write the model again") from None
    file = Path(folder) / weights
    tensors = read_tensors(file)
    with torch.device("meta"):  # it allocates nothing: sizes are checked first
        require_equal_shapes(HGM(config, sparse_backend=sparse_backend), tensors, source=str(file))
    model = HGM(config, sparse_backend=sparse_backend)
    assign(model, tensors, source=str(file))
    return model.to(device).eval()
