"""Every reader of weights, fits and arrays gets a file that would run a command: the file is
refused in one line, or what it names stays inert, and the command never runs."""

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from hgm.body.estimates.reading import open_estimate
from hgm.body.files import PlacedBody
from hgm.body.fits import load_fit
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.body.smpl import load_smpl
from hgm.core.joblib_pickles import load_joblib
from hgm.core.npz import read_npz
from hgm.core.pickles import load_pickle
from hgm.errors import InputError
from hgm.metrics.weights import read_weights
from hgm.nets.checkpoints import read_checkpoint
from hgm.nets.icon import load_icon
from hgm.nets.lightning import read_lightning
from hgm.scans import gps_files
from hgm.standin.body import core
from hgm.systems.hgm.back_view.base import open_base
from hgm.systems.hgm.back_view.controlnet import open_controlnet
from hgm.systems.hgm.back_view.settings import DiffusionBase
from hgm.systems.hgm.back_view.small_base import train_base
from hgm.train.loop import fit
from hgm.train.settings import Optimization
from hgm.workflow.doctor.diffusers_folders import open_weights

SETTINGS = DiffusionBase(
    vae_channels=[8, 8, 16],
    latent_channels=4,
    vae_steps=1,
    vae_batch=1,
    vae_crop=16,
    unet_crop=16,
    unet_channels=[8, 16],
    heads=2,
    text_width=8,
    unet_steps=1,
    unet_batch=1,
)


class Attack:
    """An object that runs a command when a careless reader builds it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def as_pickle(attack: Attack, protocol: int) -> bytes:
    return pickle.dumps({"betas": attack, "weight": attack}, protocol=protocol)


def as_torch(attack: Attack, new: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(
        {"state_dict": {"weight": torch.ones(2)}, "extra": attack},
        buffer,
        _use_new_zipfile_serialization=new,
    )
    return buffer.getvalue()


def as_joblib(attack: Attack) -> bytes:
    buffer = io.BytesIO()
    joblib.dump({"pred_cam": np.ones(3), "smplx_params": attack}, buffer)
    return buffer.getvalue()


def as_arrays(attack: Attack, keys: tuple[str, ...] = ("betas", "v_template", "weights")) -> bytes:
    """An .npz of object arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **{key: np.array([attack], object) for key in keys})
    return buffer.getvalue()


def as_array(attack: Attack) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([attack], object), allow_pickle=True)
    return buffer.getvalue()


def disguised(attack: Attack) -> bytes:
    """A torch file whose pickle of tensors is the attack alone."""
    buffer = io.BytesIO()
    torch.save({"weight": torch.ones(2)}, buffer)
    out = io.BytesIO()
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(
                name, pickle.dumps(attack, 2) if name.endswith("data.pkl") else old.read(name)
            )
    return out.getvalue()


TORCH = {
    "torch": lambda a: as_torch(a, True),
    "old torch": lambda a: as_torch(a, False),
    "disguised": disguised,
    "pickle": lambda a: as_pickle(a, 2),
}
PICKLES = {
    **{f"protocol {i}": lambda a, i=i: as_pickle(a, i) for i in range(6)},
    "joblib": as_joblib,
}
ARRAYS = {"npz": as_arrays, "npy": as_array, "pickle": lambda a: as_pickle(a, 4)}


@pytest.mark.parametrize("form", [*TORCH, *PICKLES, *ARRAYS])
def test_the_attacks_are_live(form, tmp_path):
    """A careless reader does run them."""
    trace = tmp_path / "trace"
    file = tmp_path / "file"
    file.write_bytes({**TORCH, **PICKLES, **ARRAYS}[form](Attack(trace)))
    if form == "joblib":
        joblib.load(file)
    elif form in ("npz", "npy"):
        loaded = np.load(file, allow_pickle=True)
        _ = loaded["betas"] if form == "npz" else loaded
    elif form in TORCH and form != "pickle":
        torch.load(file, weights_only=False)
    else:
        pickle.loads(file.read_bytes())
    assert trace.is_dir()


def smpl(path: Path) -> object:
    place = path.parent / "smpl"
    place.mkdir(exist_ok=True)
    shutil.copy(path, place / f"SMPL_NEUTRAL{path.suffix}")
    return load_smpl(path.parent)


def body_model(path: Path) -> object:
    place = path.parent / "smplx"
    place.mkdir(exist_ok=True)
    shutil.copy(path, place / "SMPLX_MALE.npz")
    return BodyModel.load(path.parent, "male")


def resumed(path: Path) -> object:
    """A training that finds its state."""
    shutil.copy(path, path.parent / "state.pt")
    return fit(
        torch.nn.Linear(1, 1),
        lambda *_: None,
        Optimization(steps=2, lr=1e-3),
        stage="coarse",
        seed=1,
        state=path.parent,
    )


READERS: list[tuple[str, Callable[[Path], object], str, dict[str, Callable[[Attack], bytes]]]] = [
    *(
        (f"checkpoint {end}", read_checkpoint, end, TORCH)
        for end in (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
    ),
    ("metric weights", lambda path: read_weights(path, "weights.vgg16"), ".pth", TORCH),
    ("a diffusers folder's weights", open_weights, ".bin", TORCH),
    ("joblib", load_joblib, ".pkl", PICKLES),
    ("pickle", load_pickle, ".pkl", PICKLES),
    ("fit", lambda path: load_fit(path, BodyModel(core.model("male"))), ".pkl", PICKLES),
    ("estimate .pkl", open_estimate, ".pkl", PICKLES),
    ("estimate .npz", open_estimate, ".npz", ARRAYS),
    ("SMPL .pkl", smpl, ".pkl", PICKLES),
    ("SMPL .npz", smpl, ".npz", ARRAYS),
    ("SMPL-X", body_model, ".npz", ARRAYS),
    ("npz", read_npz, ".npz", ARRAYS),
    ("body", BodyParameters.from_npz, ".npz", ARRAYS),
    ("placed body", PlacedBody.load, ".npz", ARRAYS),
    ("camera", lambda path: gps_files.read_array(path, (3, 3)), ".npy", ARRAYS),
]
CASES = [
    pytest.param(read, end, make, id=f"{name}, {form}")
    for name, read, end, forms in READERS
    for form, make in forms.items()
]


@pytest.mark.parametrize(("read", "end", "make"), CASES)
def test_a_reader_refuses_it_in_one_line(read, end, make, tmp_path):
    trace = tmp_path / "trace"
    path = tmp_path / f"file{end}"
    path.write_bytes(make(Attack(trace)))
    with pytest.raises(InputError) as caught:
        read(path)
    assert (
        not trace.exists()
        and str(caught.value).isprintable()
        and str(tmp_path) in str(caught.value)
    )


@pytest.mark.parametrize("form", TORCH)
def test_a_lightning_checkpoint_stays_inert(form, tmp_path):
    """It holds objects of its training by right; nothing of them is built, and only tensors come
    out."""
    trace = tmp_path / "trace"
    path = tmp_path / "normal.ckpt"
    path.write_bytes(TORCH[form](Attack(trace)))
    try:
        assert set(read_lightning(path)) == ({"weight"} if "torch" in form else set())
    except InputError as error:
        assert form == "pickle" and str(error).isprintable()
    with pytest.raises(InputError):
        load_icon(path)
    assert not trace.exists()


@pytest.mark.parametrize("form", TORCH)
def test_a_training_does_not_run_its_state(form, tmp_path):
    trace = tmp_path / "trace"
    path = tmp_path / "file"
    path.write_bytes(TORCH[form](Attack(trace)))
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):  # its own file: no user's mistake
        resumed(path)
    assert not trace.exists()


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    train_base(
        torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)),
        folder / "base",
        settings=SETTINGS,
        size=32,
        state=folder / "state",
        seed=1,
    )
    return folder / "base"


@pytest.mark.parametrize("form", TORCH)
@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_base_of_hostile_weights_is_refused(part, form, base_folder, tmp_path):
    trace = tmp_path / "trace"
    folder = tmp_path / "base"
    shutil.copytree(base_folder, folder)
    open_base(folder)
    (weights,) = (folder / part).glob("*.safetensors")
    weights.unlink()
    name = "pytorch_model.bin" if part == "text_encoder" else "diffusion_pytorch_model.bin"
    (folder / part / name).write_bytes(TORCH[form](Attack(trace)))
    with pytest.raises(InputError, match="cannot open the diffusion base"):
        open_base(folder)
    if part == "unet":
        with pytest.raises(InputError, match="cannot open the ControlNet"):
            open_controlnet(folder / part, open_base(base_folder))
    assert not trace.exists()


def test_code_in_a_base_folder_is_not_run(base_folder, tmp_path):
    trace = tmp_path / "trace"
    folder = tmp_path / "base"
    shutil.copytree(base_folder, folder)
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "unet": ["own", "Own"]}))
    (folder / "unet/own.py").write_text(
        f"import os\nos.mkdir({str(trace)!r})\nfrom diffusers import UNet2DConditionModel as Own\n"
    )
    with pytest.raises(InputError, match="cannot open the diffusion base"):
        open_base(folder)
    assert not trace.exists()
