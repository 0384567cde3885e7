"""One person in many pictures is one network input; what is wrong with a picture is told in a
line."""

import pytest
import torch
from people import PLAIN, close, person, scene, seen
from PIL import Image, ImageOps

from hgm.errors import InputError
from hgm.images.photos.framing import open_photo
from hgm.images.photos.sources import Photo

ORIENTATION = 0x0112
TURNS = {
    2: ImageOps.mirror,
    3: lambda i: i.rotate(180),
    4: ImageOps.flip,
    6: lambda i: i.rotate(90, expand=True),
    # how a camera that was held so stores the picture
    8: lambda i: i.rotate(-90, expand=True),
}


@pytest.mark.parametrize("height", [150, 200, 333, 800])
def test_size_does_not_matter(tmp_path, height):
    close(seen(tmp_path / "p.png", scene(height, (height * 2, height + 40), (37, 13))))


@pytest.mark.parametrize("at", [(5, 5), (190, 280), (3, 290)])
def test_place_does_not_matter(tmp_path, at):
    close(seen(tmp_path / "p.png", scene(at=at)))


def test_what_is_shown_of_the_photo_is_known(tmp_path):
    """Also where it goes beyond the photo: 100 x 200 pixels with their middle at 60, 250."""
    found = seen(tmp_path / "p.png", scene(200, (400, 500), (10, 150)))
    half = 200 / 0.72 / 2
    expected = ((60 - half) / 400, (250 - half) / 500, (60 + half) / 400, (250 + half) / 500)
    assert found.box == pytest.approx(expected)


@pytest.mark.parametrize(
    "color", [(255, 255, 255), (0, 0, 0), (40, 180, 80), (128, 128, 128), (240, 235, 200)]
)
def test_the_color_of_a_plain_background_does_not_matter(tmp_path, color):
    found = seen(tmp_path / "p.png", scene(color=color))
    assert found.matting == "plain background" and found.notes == ()
    close(found)


def test_nothing_of_a_green_screen_is_left_on_the_edge(tmp_path):
    """No pixel is greener than the person's own colors over white can be."""
    found = seen(tmp_path / "p.png", scene(height=400, size=(700, 600), color=(0, 255, 0)))
    assert (found.image[1] - torch.maximum(found.image[0], found.image[2])).max() < 0.02


def test_a_cut_out_person(tmp_path):
    page = Image.new("RGBA", (400, 500), (0, 0, 0, 0))
    page.paste(person(200), (120, 150))
    found = seen(tmp_path / "p.png", page)
    assert found.matting == "alpha channel"
    close(found)
    close(seen(tmp_path / "p.webp", page, lossless=True))


@pytest.mark.parametrize("turn", sorted(TURNS))
def test_the_orientation_in_exif_is_applied(tmp_path, turn):
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    close(seen(tmp_path / "p.png", TURNS[turn](scene()), exif=exif))
    close(seen(tmp_path / "p.jpg", TURNS[turn](scene()), exif=exif, quality=95))


def test_the_largest_of_several_people_is_taken_and_told(tmp_path):
    page = scene(size=(700, 500), at=(20, 150))
    for at, height in ((300, 170), (500, 150)):
        other = person(height)
        page.paste((20, 120, 20), (at, 100), other.getchannel("A"))
    found = seen(tmp_path / "p.png", page)
    assert found.notes == ("3 people found; the largest is taken",)
    close(found)


def test_specks_are_dropped_without_a_word(tmp_path):
    page = scene()
    page.paste((0, 0, 0), (10, 10, 30, 20))
    page.paste((0, 0, 0), (380, 480, 384, 484))
    found = seen(tmp_path / "p.png", page)
    assert found.notes == ()
    close(found)


@pytest.mark.parametrize(
    ("at", "sides"),
    [
        ((-30, 150), "left"),
        ((120, 340), "bottom"),
        ((120, -20), "top"),
        ((330, 150), "right"),
        ((-30, 340), "bottom and left"),
    ],
)
def test_a_person_cut_off_at_a_border_is_told(tmp_path, at, sides):
    found = seen(tmp_path / "p.png", scene(at=at))
    assert (
        len(found.notes) == 1
        and f"reaches the {sides} of the picture and may be cut off" in found.notes[0]
    )


def test_pictures_that_cannot_be_used(tmp_path):
    def refused(image: Image.Image) -> str:
        with pytest.raises(InputError) as caught:
            seen(tmp_path / "p.png", image)
        assert "\n" not in str(caught.value) and str(caught.value).startswith(
            str(tmp_path / "p.png")
        )
        return str(caught.value)

    assert "nobody found" in refused(Image.new("RGB", (60, 80), "white"))
    assert "nobody found" in refused(Image.new("RGBA", (60, 80), (0, 0, 0, 0)))
    assert "the person is 14 pixels large; at least 16" in refused(scene(14))
    full = Image.new("RGBA", (60, 80), (200, 40, 30, 255))
    full.putpixel((0, 0), (0, 0, 0, 0))
    assert "no background" in refused(full)
    assert "no way to tell the person" in refused(Image.effect_noise((60, 80), 90).convert("RGB"))


def test_a_photo_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: no such file"):
        open_photo(Photo("gone", tmp_path / "gone.png"), 64, PLAIN)
