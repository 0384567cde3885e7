"""Ways to tell people from the background."""

import builtins
import sys
import types

import numpy as np
import pytest
from people import PLAIN, close, person, scene, seen
from PIL import Image

from hgm.errors import InputError, MissingDependency
from hgm.images.photos.learned import Rembg, weights_folder
from hgm.images.photos.matting import AlphaChannel, MaskFile, PlainBackground, find_people
from hgm.images.photos.picture import PhotoPixels


def noisy() -> Image.Image:
    """The person in front of what no simple way can tell from it."""
    page = Image.fromarray(
        np.random.default_rng(0).integers(0, 255, (500, 400, 3)).astype(np.uint8)
    )
    cut_out = person(200)
    page.paste(cut_out, (120, 150), cut_out)
    return page


def mask() -> Image.Image:
    page = Image.new("L", (400, 500))
    page.paste(person(200).getchannel("A"), (120, 150))
    return page


def test_a_given_mask(tmp_path):
    mask().save(tmp_path / "m.png")
    found = seen(tmp_path / "p.png", noisy(), mattings=(MaskFile(tmp_path / "m.png"),))
    assert found.matting == "mask m.png"
    close(found, 0.006)


def test_transparent_pixels_stay_background_under_a_mask(tmp_path):
    mask().save(tmp_path / "m.png")
    page = scene().convert("RGBA")
    page.paste((0, 0, 0, 0), (0, 0, 400, 250))
    found = seen(tmp_path / "p.png", page, mattings=(MaskFile(tmp_path / "m.png"),))
    rows = np.flatnonzero((found.mask[0] > 0.5).any(1))
    assert len(rows) < 0.72 * 128 + 2
    assert (
        found.mask.sum()
        < 0.8 * seen(tmp_path / "q.png", scene(), mattings=PLAIN).mask.sum() * (200 / 100) ** 2
    )


def test_the_first_way_that_applies_is_taken():
    plain = PhotoPixels(np.asarray(scene()), None)
    cut = PhotoPixels(np.asarray(scene()), np.asarray(mask()))
    mattings = (AlphaChannel(), PlainBackground())
    assert (
        find_people(plain, mattings).source == "plain background"
        and find_people(cut, mattings).source == "alpha channel"
    )
    assert find_people(PhotoPixels(np.asarray(noisy()), None), mattings) is None


def test_a_person_may_cover_a_part_of_the_border():
    assert PlainBackground().matte(PhotoPixels(np.asarray(scene(at=(120, 340))), None)) is not None


def test_noise_of_a_plain_background_is_no_person(tmp_path):
    rng = np.random.default_rng(0)
    page = np.asarray(scene(color=(120, 130, 140))).astype(np.float64) + rng.uniform(
        -8, 8, (500, 400, 3)
    )
    close(seen(tmp_path / "p.png", Image.fromarray(page.clip(0, 255).astype(np.uint8))), 0.02)


def test_small_holes_of_the_backgrounds_color_are_the_persons_and_large_ones_are_not():
    page = np.asarray(scene(400, (500, 600), (150, 100))).copy()
    page[110:113, 245:248] = 255  # in the head
    page[220:260, 235:265] = 255  # through the trunk
    coverage = PlainBackground().matte(PhotoPixels(page, None)).coverage
    assert coverage[111, 246] == 1 and coverage[240, 250] == 0 and coverage[215, 250] == 1


def test_the_edge_has_the_share_of_the_person():
    """Coverage of the soft edge equals the alpha that the picture was pasted with."""
    page = Image.new("L", (400, 500))
    page.paste(person(187).getchannel("A"), (120, 150))
    alpha = np.asarray(page, np.float32) / 255
    soft = (alpha > 0.1) & (alpha < 0.9)
    assert soft.sum() > 50
    for color in ((0, 255, 0), (255, 255, 255)):
        coverage = (
            PlainBackground().matte(PhotoPixels(np.asarray(scene(187, color=color)), None)).coverage
        )
        assert (
            np.abs(coverage - alpha)[soft].mean() < 0.05 and np.abs(coverage - alpha).max() < 0.25
        )


def without_rembg(monkeypatch, error: type[BaseException]) -> None:
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name == "rembg":
            raise error(1)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)


# rembg ends the program where onnxruntime is missing
@pytest.mark.parametrize("error", [ImportError, SystemExit])
def test_without_rembg_a_line_says_what_to_do(tmp_path, monkeypatch, error):
    without_rembg(monkeypatch, error)
    advice = (
        r"p\.png: the background is neither .*--mask FILE.*_mask\.png.*pip install .*rembg\[cpu\]=="
    )
    with pytest.raises(InputError, match=advice) as caught:
        seen(tmp_path / "p.png", noisy(), mattings=(*PLAIN, Rembg()))
    assert "\n" not in str(caught.value)
    with pytest.raises(MissingDependency):
        Rembg().matte(PhotoPixels(np.asarray(noisy()), None))


def test_rembg_is_not_asked_where_a_simpler_way_applies(tmp_path, monkeypatch):
    without_rembg(monkeypatch, AssertionError)
    close(seen(tmp_path / "p.png", scene(), mattings=(*PLAIN, Rembg())))


class Package(types.ModuleType):
    """What is used of rembg, with a network that knows the drawn person."""

    def __init__(self) -> None:
        super().__init__("rembg")
        self.opened = 0

    def new_session(self, name: str, providers: list[str]) -> str:
        assert name == "u2net_human_seg" and providers == ["CPUExecutionProvider"]
        self.opened += 1
        if (weights_folder() / f"{name}.onnx").read_text() != "weights":
            raise RuntimeError("no graph\nin it")
        return "session"

    def remove(self, image: Image.Image, *, session: str, only_mask: bool) -> Image.Image:
        assert session == "session" and only_mask and image.size == (400, 500)
        print("chatter")
        return mask()


@pytest.fixture
def package(monkeypatch, tmp_path) -> Package:
    made = Package()
    monkeypatch.setitem(sys.modules, "rembg", made)
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODEL_CHECKSUM_DISABLED", "1")
    return made


def test_rembg_with_its_weights(tmp_path, package, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/u2net_human_seg.onnx").write_text("weights")
    way = Rembg()
    for name in ("p.png", "q.png"):
        found = seen(tmp_path / name, noisy(), mattings=(*PLAIN, way))
        close(found, 0.006)
    assert (
        found.matting == "rembg u2net_human_seg"
        and package.opened == 1
        and capsys.readouterr().out == ""
    )


def test_rembg_without_weights_or_with_broken_ones(tmp_path, package):
    with pytest.raises(
        InputError,
        match=r"home/u2net_human_seg\.onnx: no such file, "
        r"which rembg needs; put https.* or set U2NET_HOME",
    ):
        Rembg().matte(PhotoPixels(np.asarray(noisy()), None))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/u2net_human_seg.onnx").write_text("torn")
    with pytest.raises(InputError, match=r"rembg cannot open it \(no graph in it\); get it again"):
        Rembg().matte(PhotoPixels(np.asarray(noisy()), None))


def test_where_rembg_looks_for_weights(monkeypatch, tmp_path):
    monkeypatch.delenv("U2NET_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert weights_folder() == tmp_path / ".u2net"
