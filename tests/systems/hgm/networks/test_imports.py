"""`hgm import-weights`: a published checkpoint becomes a model folder, anything else one line."""

from pathlib import Path

import pytest
import torch
from release_samples import SMALL, checkpoint, lgm_keys, release_keys, shapes
from terminal import ErrorsOnTerminal, screen
from torch import Tensor

from hgm.cli import main
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.nets.checkpoints import read_checkpoint
from hgm.nets.weights import WEIGHTS, load_tensors, save_tensors
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.imports import import_weights, start_from_lgm, summary
from hgm.systems.hgm.networks.release import our_key
from hgm.systems.hgm.training import load_hgm

TINY = HGMConfig.tiny(surfaces=0)
THIN = SMALL.replace(encoder_stem=8, encoder_stages=((8, 3), (16, 4), (16, 6)))


def lgm(config: HGMConfig = TINY) -> dict[str, Tensor]:
    model = HGM(config)
    return checkpoint(shapes(model, lgm_keys(model)))


def release(config: HGMConfig = THIN) -> dict[str, Tensor]:
    model = HGM(config)
    return checkpoint(shapes(model, release_keys(model)))


def test_lgm_becomes_a_folder_that_a_coarse_training_can_start_from(tmp_path: Path) -> None:
    tensors = {k: v.half() for k, v in lgm().items()}
    save_tensors(tensors, tmp_path / "lgm.safetensors")
    state = torch.get_rng_state()
    model, adopted = import_weights(tmp_path / "lgm.safetensors", tmp_path / "a", TINY)
    assert torch.equal(torch.get_rng_state(), state)
    import_weights(tmp_path / "lgm.safetensors", tmp_path / "b", TINY)
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    assert model.config == TINY
    start = HGM(TINY)
    load_tensors(start, tmp_path / "a" / WEIGHTS)  # what `train_hgm` does with `init`
    own = load_hgm(tmp_path / "a").state_dict()
    for name, tensor in start.state_dict().items():
        assert torch.equal(tensor, own[name])
        assert name not in tensors or torch.equal(tensor, tensors[name].float()), name
    numbers = sum(t.numel() for k, t in tensors.items() if k.startswith("unet."))
    lines = list(summary(model, adopted))
    assert lines[0] == f"mapped: unet, {len(tensors) - 2} tensors, {numbers:,} parameters"
    assert lines[1] == "mapped: conv, 2 tensors, 210 parameters"
    assert "new, with initial weights: body.tokens, 1 tensors, 83,800 parameters" in lines
    assert not any("legacy" in line for line in lines)


def test_the_release_becomes_a_legacy_model(tmp_path: Path) -> None:
    tensors = release()
    save_tensors({**tensors, "m_smplx.v_template": torch.zeros(5, 3)}, tmp_path / "hgm.safetensors")
    config = THIN.replace(views=2, vertices=10475)
    model, adopted = import_weights(tmp_path / "hgm.safetensors", tmp_path / "out", config)
    loaded = load_hgm(tmp_path / "out")
    assert loaded.config == model.config == THIN.replace(views=2, legacy=True, patch=1)
    for key, tensor in tensors.items():
        name = our_key(key) or key
        assert loaded.state_dict()[name].ndim != tensor.ndim or torch.equal(
            loaded.state_dict()[name], tensor
        ), key
    lines = list(summary(model, adopted))
    assert "mapped: volume, 84 tensors, 387,968 parameters" in lines
    assert [line for line in lines if line.startswith("new")] == [
        "new, with initial weights: body.head, 6 tensors, 22,926 parameters"
    ]
    assert lines[-2] == "ignored: m_smplx, 1 tensors, 15 parameters"
    assert lines[-1] == "legacy network, 2 input view(s), 6890 vertices of SMPL"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: t,
        lambda t: {"state_dict": t, "epoch": 3},
        lambda t: {"model": {f"module.{k}": v for k, v in t.items()}, "optimizer": {"lr": 0.1}},
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
def test_torch_files_are_read_as_trainers_write_them(tmp_path: Path, wrap, suffix: str) -> None:
    tensors = lgm()
    torch.save(wrap(tensors), tmp_path / f"lgm{suffix}")
    read = read_checkpoint(tmp_path / f"lgm{suffix}")
    assert set(read) == set(tensors) and all(torch.equal(read[k], v) for k, v in tensors.items())


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_torch_file_cannot_run_code(tmp_path: Path) -> None:
    torch.save({**lgm(), "x": Trap(tmp_path / "ran")}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w.pth: not a torch checkpoint of plain tensors"):
        read_checkpoint(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def cut(path: Path, bytes_left: int) -> None:
    path.write_bytes(path.read_bytes()[:bytes_left])


def wrong_files(folder: Path) -> dict[str, str]:
    """File name -> what its refusal says."""
    save_tensors(lgm(), folder / "cut.safetensors")
    cut(folder / "cut.safetensors", 5000)
    torch.save(lgm(), folder / "cut.pth")
    cut(folder / "cut.pth", 5000)
    (folder / "page.safetensors").write_text("<html>404</html>")
    (folder / "page.pth").write_text("<html>404</html>")
    (folder / "empty.pt").write_bytes(b"")
    (folder / "folder.pth").mkdir()
    torch.save([torch.zeros(3)], folder / "list.pth")
    torch.save({"epoch": 3}, folder / "epoch.pth")
    save_tensors({}, folder / "none.safetensors")
    save_tensors({"layer.weight": torch.zeros(3)}, folder / "other.safetensors")
    save_tensors(HGM(TINY).state_dict(), folder / "ours.safetensors")
    save_tensors({"lpips_loss.a": torch.zeros(1)}, folder / "lpips.safetensors")
    wide = TINY.replace(unet=HGMConfig.small().unet, input_size=64)
    save_tensors(lgm(wide), folder / "wide.safetensors")
    thin = {k: v for k, v in release().items() if k != "c.weight"}
    save_tensors(thin, folder / "tokenless.safetensors")
    save_tensors({**thin, "c.weight": torch.zeros(501, 32)}, folder / "tokens.safetensors")
    return {
        "absent.safetensors": "no such file",
        "weights.zip": "not a checkpoint; expected a file that ends in",
        "cut.safetensors": "not a whole safetensors file",
        "cut.pth": "not a whole torch file",
        "page.safetensors": "not a whole safetensors file",
        "page.pth": "not a torch checkpoint of plain tensors",
        "empty.pt": "not a whole torch file",
        "folder.pth": "no such file",
        "list.pth": "of type list; expected a dictionary",
        "epoch.pth": "key epoch is of type int; expected",
        "none.safetensors": "holds no tensors",
        "other.safetensors": "key layer.weight is neither LGM's nor the released HGM's",
        "ours.safetensors": "is neither LGM's nor the released HGM's",
        "lpips.safetensors": "key unet.conv_in.weight of shape [8, 9, 3, 3] is missing",
        "wide.safetensors": "give a checkpoint of LGM of the model's widths",
        "tokenless.safetensors": "key c.weight, the vertex tokens, is missing",
        "tokens.safetensors": "key c.weight has shape [501, 32]; expected a row for each of the "
        "10475 vertices of SMPL-X or 6890",
    }


def test_a_wrong_file_is_refused_in_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    for name, message in wrong_files(tmp_path).items():
        with pytest.raises(InputError) as error:
            import_weights(tmp_path / name, tmp_path / "out", TINY)
        text = str(error.value)
        assert text.startswith(f"{tmp_path / name}") and message in text and "\n" not in text, (
            name,
            text,
        )
    assert not (tmp_path / "out").exists()


def test_a_training_does_not_start_from_the_release(tmp_path: Path) -> None:
    save_tensors(release(), tmp_path / "hgm.safetensors")
    with pytest.raises(
        InputError, match=r"hgm.safetensors: a checkpoint of the released HGM; expected LGM's"
    ):
        start_from_lgm(HGM(THIN), tmp_path / "hgm.safetensors")


def test_views_must_be_one_or_two(tmp_path: Path) -> None:
    save_tensors(lgm(), tmp_path / "lgm.safetensors")
    with pytest.raises(InputError, match=r"views: expected 1 \(coarse\) or 2 \(fusion\), got 4"):
        import_weights(tmp_path / "lgm.safetensors", tmp_path / "out", TINY.replace(views=4))


def test_the_command_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # the published sizes take minutes and gigabytes
    monkeypatch.setattr(HGMConfig, "paper", lambda views: HGMConfig.tiny(views, surfaces=0))
    file = tmp_path / "lgm.safetensors"
    out = tmp_path / "out"
    save_tensors(lgm(), file)
    assert main(["import-weights", str(file), "--out", str(out), "--views", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{file}: a checkpoint of LGM" and lines[-1] == f"{out}: written"
    assert load_hgm(out).config == HGMConfig.tiny(2, surfaces=0)
    assert main(["import-weights", str(tmp_path / "none.pth"), "--out", str(out)]) == 1
    assert (
        capsys.readouterr().err
        == f"error: {tmp_path / 'none.pth'}: no such file; expected a downloaded checkpoint\n"
    )


def test_the_command_says_on_a_terminal_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HGMConfig, "paper", lambda views: HGMConfig.tiny(views, surfaces=0))
    monkeypatch.setattr(Progress, "PAUSE", 0.0)
    save_tensors(lgm(), tmp_path / "lgm.safetensors")
    terminal = ErrorsOnTerminal(monkeypatch)
    assert (
        main(["import-weights", str(tmp_path / "lgm.safetensors"), "--out", str(tmp_path / "out")])
        == 0
    )
    text = terminal.end()
    for words in (
        "import-weights 0/4  reading",
        "  building the network",
        "  mapping",
        "import-weights 3/4  ",
        " left  writing",
    ):
        assert words in text, words
    assert screen(text)[0].startswith("import-weights 4/4  ")
