"""The command line: help, examples, one line on failure."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hgm.cli import main, parser
from hgm.errors import InputError
from hgm.stages.photos import open_photo
from hgm.views import save_png


def test_every_verb_has_help_with_an_example(capsys):
    verbs = next(a for a in parser()._actions if a.dest == "verb").choices
    assert {"reconstruct", "standin", "replay", "config"} <= set(verbs)
    for name in verbs:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0 and f"example: hgm {name}" in " ".join(capsys.readouterr().out.split())


def test_help_imports_nothing_heavy():
    code = "import sys, hgm.cli; hgm.cli.parser(); print(sorted({'torch', 'numpy', 'pydantic', 'bpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_failure_is_one_line(tmp_path, capsys):
    (tmp_path / "x.yaml").write_text("coarse: {step: 1}")
    assert main(["config", "--check", str(tmp_path / "x.yaml")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: coarse.step: unknown key") and error.count("\n") == 1
    assert main(["reconstruct", "a.png", "--run", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "run.json" in capsys.readouterr().err


def picture(path: Path, box=(20, 10, 60, 110), size=(90, 120), alpha=False) -> Path:
    import numpy as np
    from PIL import Image

    image = np.full((size[1], size[0], 4), 255, np.uint8)
    if alpha:
        image[..., 3] = 0
    image[box[1]:box[3], box[0]:box[2]] = (200, 40, 30, 255)
    if alpha:
        Image.fromarray(image).save(path)
    else:
        save_png(path, image[..., :3])
    return path


@pytest.mark.parametrize("alpha", [False, True])
def test_a_photo_is_centred_and_scaled(tmp_path, alpha):
    rgb, mask = open_photo(picture(tmp_path / "p.png", alpha=alpha), 128)
    rows, columns = (torch.nonzero((mask[0] > 0.5).any(d)).flatten() for d in (1, 0))
    assert rgb.shape == (3, 128, 128) and len(rows) == pytest.approx(0.72 * 128, abs=2)
    assert len(columns) == pytest.approx(0.72 * 128 * 40 / 100, abs=2)
    assert (rows[0] + rows[-1]).item() == pytest.approx(127, abs=2) and (columns[0] + columns[-1]).item() == pytest.approx(127, abs=2)
    assert torch.allclose(rgb[:, 64, 64], torch.tensor([200, 40, 30]) / 255, atol=0.01)
    assert torch.allclose(rgb[:, 2, 2], torch.ones(3))


def test_pictures_that_cannot_be_used(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"bad\.png: not a readable image"):
        open_photo(tmp_path / "bad.png", 64)
    with pytest.raises(InputError, match="nobody found"):
        open_photo(picture(tmp_path / "white.png", box=(0, 0, 0, 0)), 64)
    with pytest.raises(InputError, match="10 pixels large"):
        open_photo(picture(tmp_path / "small.png", box=(5, 5, 15, 15)), 64)
    with pytest.raises(InputError, match="no background"):
        open_photo(picture(tmp_path / "full.png", box=(0, 0, 90, 120)), 64)
