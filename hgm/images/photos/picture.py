"""The pixels of a photo's file, whatever its size, mode, depth, color profile and orientation."""

from __future__ import annotations

import io
import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from hgm.errors import InputError

MOST_PIXELS = 100_000_000
# larger pictures are shrunk by a whole factor: the networks see 512 pixels, and memory goes by the
# pixel
EDGE = 4096
ASPECT = 0.02  # by how much a mask's ratio of sides may differ from its photo's


@dataclass(frozen=True)
class PhotoPixels:
    """A photo the right way up."""

    rgb: np.ndarray  # uint8 [H, W, 3], sRGB, not multiplied by alpha
    alpha: np.ndarray | None  # uint8 [H, W]; None where everything is opaque


def read_picture(path: Path) -> PhotoPixels:
    """Read a file: EXIF orientation applied, 16 bit reduced to 8, palettes, gray and CMYK as sRGB,
    embedded profiles obeyed.

    Pictures with an edge above EDGE are shrunk by a whole factor. Raises InputError for what is
    missing, no picture, or has more than MOST_PIXELS.
    """
    try:
        with warnings.catch_warnings():
            # the limit here is MOST_PIXELS
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                if file.width * file.height > MOST_PIXELS:
                    raise _too_large(path, f"{file.width} x {file.height}")
                profile = file.info.get("icc_profile")
                image = _shrunk(_eight_bit(ImageOps.exif_transpose(file), path), profile)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a photo or a folder of photos") from None
    except Image.DecompressionBombError:
        raise _too_large(path, "far too many") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise InputError(
            f"{path}: not a readable image ({_short(error, path)}); save it as PNG or JPEG"
        ) from None
    pixels = np.asarray(image)
    opaque = pixels.shape[-1] == 3 or bool((pixels[..., 3] == 255).all())
    return PhotoPixels(
        np.ascontiguousarray(pixels[..., :3]), None if opaque else pixels[..., 3].copy()
    )


def read_mask(path: Path, height: int, width: int) -> np.ndarray:
    """A mask's file as coverage float32 [height, width] in [0, 1]: its transparency where it has
    any, else its brightness.

    Raises InputError when it cannot be read, has other proportions than the photo, or is empty.
    """
    picture = read_picture(path)
    values = (
        picture.alpha
        if picture.alpha is not None
        else np.asarray(Image.fromarray(picture.rgb).convert("L"))
    )
    if abs(math.log(values.shape[1] / values.shape[0] * height / width)) > ASPECT:
        raise InputError(
            f"{path}: the mask is {values.shape[1]} x {values.shape[0]} pixels, the photo {width} "
            f"x {height} as it is shown; make the mask from the upright photo"
        )
    if values.shape != (height, width):
        values = np.asarray(
            Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR)
        )
    if values.max() < 128:
        raise InputError(f"{path}: the mask is empty; expected the person white on black")
    return values.astype(np.float32) / 255


def _too_large(path: Path, size: str) -> InputError:
    return InputError(
        f"{path}: {size} pixels; at most {MOST_PIXELS // 1_000_000} million are read, make the "
        "picture smaller"
    )


def _short(error: Exception, path: Path) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(repr(str(path)), "this file").replace(str(path), "this file")


def _eight_bit(image: Image.Image, path: Path) -> Image.Image:
    """Whole numbers of 16 bit as 8 bit, which Pillow's own conversion clips to white."""
    if image.mode == "F":
        raise InputError(
            f"{path}: floating-point pixels, whose white is not known; save it with 8 or 16 bits "
            "a channel"
        )
    if not image.mode.startswith("I"):
        return image
    counts = np.asarray(image).astype(np.float64)
    return Image.fromarray(np.rint(counts / 257).clip(0, 255).astype(np.uint8))


def _shrunk(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or RGBA in sRGB, no edge longer than EDGE; colors under transparency do not leak."""
    alpha = image.has_transparency_data
    if profile and image.mode in ("RGB", "RGBA", "CMYK"):
        image = _to_srgb(image, profile)
    image = image.convert("RGBA" if alpha else "RGB")
    factor = -(-max(image.size) // EDGE)
    return image.reduce(factor) if factor > 1 else image


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colors of an embedded profile (a phone's wide gamut, a printer's inks) as sRGB; a broken
    profile is passed over."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    return image if converted is None else converted
