"""Files of every kind become the same pixels."""

import struct
import zlib

import numpy as np
import pytest
from people import close, person, scene, seen
from PIL import Image, ImageCms

from hgm.errors import InputError
from hgm.images.photos import picture
from hgm.images.photos.picture import read_mask, read_picture


def gray_person() -> Image.Image:
    return scene().convert("L")


def test_palette_and_cmyk(tmp_path):
    close(seen(tmp_path / "p.gif", scene().quantize(64)), 0.006)
    close(seen(tmp_path / "q.png", scene().quantize(64)), 0.006)
    close(seen(tmp_path / "r.tif", scene().convert("CMYK")))


def test_a_palette_with_a_transparent_entry(tmp_path):
    index = Image.new("P", (60, 80), 0)
    index.putpalette([255, 0, 255, 10, 20, 30])
    index.paste(1, (20, 10, 40, 70))
    index.save(tmp_path / "p.png", transparency=0)
    found = read_picture(tmp_path / "p.png")
    assert found.alpha is not None and found.alpha[0, 0] == 0 and found.alpha[30, 30] == 255
    assert found.rgb[30, 30].tolist() == [10, 20, 30]


@pytest.mark.parametrize("name", ["p.png", "p.tif", "p.pgm"])
def test_sixteen_bit_gray_is_the_eight_bit_picture(tmp_path, name):
    gray = np.asarray(gray_person())
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / name)
    gray_person().save(tmp_path / "eight.png")
    assert np.array_equal(
        read_picture(tmp_path / name).rgb, read_picture(tmp_path / "eight.png").rgb
    )
    assert np.array_equal(read_picture(tmp_path / name).rgb[..., 1], gray)


def test_sixteen_bit_color(tmp_path):
    """A PNG of 16 bits a channel, written by hand since Pillow writes none."""
    counts = np.zeros((3, 2, 3), np.uint16)
    counts[0, 1] = (65535, 32896, 257)
    counts[2, 0] = (771, 1028, 1285)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in counts)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 2, 3, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    found = read_picture(tmp_path / "p.png").rgb
    assert found[0, 1].tolist() == [255, 128, 1] and found[2, 0].tolist() == [3, 4, 5]


def test_bilevel_and_gray_with_alpha(tmp_path):
    gray_person().point(lambda v: 255 * (v > 250), "1").save(tmp_path / "p.png")
    assert set(np.unique(read_picture(tmp_path / "p.png").rgb)) == {0, 255}
    Image.merge("LA", (gray_person(), Image.new("L", (400, 500), 77))).save(tmp_path / "q.png")
    found = read_picture(tmp_path / "q.png")
    assert (
        found.alpha is not None
        and (found.alpha == 77).all()
        and np.array_equal(found.rgb[..., 0], np.asarray(gray_person()))
    )


def test_an_opaque_alpha_channel_is_none(tmp_path):
    scene().convert("RGBA").save(tmp_path / "p.png")
    assert read_picture(tmp_path / "p.png").alpha is None


def test_colors_of_an_embedded_profile_become_srgb(tmp_path):
    """Against LittleCMS itself: the same numbers, read as XYZ values, are other colors."""
    xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    scene().save(tmp_path / "p.png", icc_profile=srgb)
    assert np.abs(read_picture(tmp_path / "p.png").rgb.astype(int) - np.asarray(scene())).max() <= 1
    for broken in (b"no profile", xyz):  # of another color space than the picture
        scene().save(tmp_path / "q.png", icc_profile=broken)
        assert np.array_equal(read_picture(tmp_path / "q.png").rgb, np.asarray(scene()))


def test_a_picture_with_a_long_edge_is_shrunk_by_a_whole_factor(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "EDGE", 200)
    page = Image.new("RGBA", (400, 500), (0, 255, 0, 0))  # green below what is transparent
    page.paste(person(400), (100, 50))
    page.save(tmp_path / "p.png")
    found = read_picture(tmp_path / "p.png")
    # 500 pixels by 3, the rest of the last one too
    assert found.rgb.shape == (167, 134, 3) and found.alpha is not None
    assert (found.rgb[found.alpha > 64][:, 1] < 110).all()
    close(seen(tmp_path / "q.png", page), 0.006)


def test_too_many_pixels_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "MOST_PIXELS", 100_000)
    scene().save(tmp_path / "p.png")
    with pytest.raises(InputError, match=r"p\.png: 400 x 500 pixels; at most 0 million are read"):
        read_picture(tmp_path / "p.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)  # Pillow itself refuses twice this
    with pytest.raises(InputError, match=r"p\.png: far too many pixels; at most"):
        read_picture(tmp_path / "p.png")


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    scene().save(tmp_path / "whole.jpg")
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    Image.fromarray(np.ones((20, 20), np.float32)).save(tmp_path / "float.tif")
    (tmp_path / "folder.png").mkdir()
    for name, words in (
        ("bad.png", "not a readable image"),
        ("torn.jpg", "not a readable image.*truncated"),
        ("float.tif", "floating-point"),
        ("gone.png", "no such file"),
        ("folder.png", "not a readable image"),
    ):
        with pytest.raises(
            InputError, match=f"^{tmp_path / name}: .*{words}|^{tmp_path / name}: {words}"
        ) as caught:
            read_picture(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_mask_is_brightness_or_transparency(tmp_path):
    gray = Image.new("L", (40, 50))
    gray.paste(255, (10, 10, 20, 30))
    gray.save(tmp_path / "gray.png")
    black = Image.new("RGB", (40, 50))
    black.putalpha(gray)
    black.save(tmp_path / "alpha.png")
    truth = np.asarray(gray, np.float32) / 255
    for name in ("gray.png", "alpha.png"):
        assert np.array_equal(read_mask(tmp_path / name, 50, 40), truth)
    larger = read_mask(tmp_path / "gray.png", 100, 80)
    assert (
        larger.shape == (100, 80)
        and larger[40, 30] == 1
        and abs(larger.mean() - truth.mean()) < 0.002
    )


def test_masks_that_do_not_fit(tmp_path):
    Image.new("L", (40, 50)).save(tmp_path / "empty.png")
    with pytest.raises(
        InputError, match=r"empty\.png: the mask is empty; expected the person white on black"
    ):
        read_mask(tmp_path / "empty.png", 50, 40)
    with pytest.raises(
        InputError, match=r"empty\.png: the mask is 40 x 50 pixels, the photo 50 x 40"
    ):
        read_mask(tmp_path / "empty.png", 40, 50)
