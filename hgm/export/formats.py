"""Every format by its name: `hgm export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hgm.core.devices import select_device
from hgm.core.files import atomic_write
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.export.compressed_ply import is_compressed, read_compressed_ply, write_compressed_ply
from hgm.export.pictures import Turn, frames, write_gif
from hgm.export.quantized import visible
from hgm.export.result import Result
from hgm.export.splat import read_splat, write_splat
from hgm.export.spz import read_spz, write_spz
from hgm.gaussians import Gaussians

if TYPE_CHECKING:
    import trimesh

GAUSSIANS = ("compressed.ply", "ply", "splat", "spz")
MESHES = ("glb", "obj")
PICTURES = ("gif", "mp4", "png")
FORMATS = (*GAUSSIANS, *MESHES, *PICTURES)


def format_of(out: Path, name: str | None = None) -> str:
    """The format that the file's name ends with. Raises InputError where it ends with none or with
    another than `name`."""
    ending = next((f for f in FORMATS if out.name.lower().endswith(f".{f}")), None)
    if name is None and ending is None:
        raise InputError(
            f"--out: {out.name} ends with no known format; expected one of {', '.join(FORMATS)}"
        )
    if name is not None and name != ending and not (name == "ply" and ending == "compressed.ply"):
        raise InputError(
            f"--out: {out.name} is not the name of a {name} file; expected one that ends with "
            f".{name}"
        )
    return name or str(ending)


def read_gaussians(path: Path) -> Gaussians:
    """Gaussians from `.ply` (plain or compressed), `.spz` or `.splat`. Raises InputError for any
    other file or an empty one."""
    suffix = path.suffix.lower()
    if suffix == ".spz":
        gaussians = read_spz(path)
    elif suffix == ".splat":
        gaussians = read_splat(path)
    else:
        gaussians = read_compressed_ply(path) if is_compressed(path) else Gaussians.load_ply(path)
    if len(visible(gaussians)) == 0:
        raise InputError(f"{path}: holds no Gaussian that can be seen")
    return gaussians


def export_result(
    result: Result,
    out: Path,
    name: str | None = None,
    *,
    turn: Turn | None = None,
    down: bool = False,
) -> str:
    """Write a result's Gaussians, mesh or pictures to `out`; returns the format's name.

    name: one of FORMATS, by default what `out` ends with. turn: of pictures. down: y of the
    Gaussians points down. Raises InputError for what the result lacks or the format cannot hold.
    """
    name = format_of(out, name)
    if down and name not in GAUSSIANS:
        raise InputError(f"--y-down: {name} needs no turn; give it with {', '.join(GAUSSIANS)}")
    if down and name == "spz":
        raise InputError(
            "--y-down: .spz is defined with y up and viewers turn it themselves; leave the option "
            "out"
        )
    try:
        _write(result, out, name, Turn() if turn is None else turn, down)
    except OSError as error:
        raise InputError(
            f"--out: {out} cannot be written ({error.strerror}); name a file in a folder of yours"
        ) from None
    return name


def _write(result: Result, out: Path, name: str, turn: Turn, down: bool) -> None:
    if name in MESHES:
        from hgm.mesh.io import load_mesh, save_mesh

        mesh = load_mesh(result.need("mesh"))
        save_mesh(out, mesh) if name == "glb" else write_obj(out, mesh)
        return
    gaussians = read_gaussians(result.need("gaussians"))
    if name in PICTURES:
        _write_pictures(visible(gaussians).to(select_device()), out, name, turn)
        return
    gaussians = y_down(gaussians) if down else gaussians
    if name == "ply":
        gaussians.save_ply(out)
    else:
        {"compressed.ply": write_compressed_ply, "splat": write_splat, "spz": write_spz}[name](
            gaussians, out
        )


def _write_pictures(gaussians: Gaussians, out: Path, name: str, turn: Turn) -> None:
    from hgm.images.video import write_video
    from hgm.images.views import save_png

    if name == "png":
        save_png(out, next(frames(gaussians, turn)))
        return
    with Progress("turntable", turn.frames) as progress:
        (write_gif if name == "gif" else write_video)(
            out, progress.each(frames(gaussians, turn)), fps=turn.fps
        )


def y_down(gaussians: Gaussians) -> Gaussians:
    """The Gaussians [N] turned by half a turn around x: right, up, back -> right, down, forward,
    the axes of COLMAP's scenes."""
    w, x, y, z = gaussians.quats.unbind(-1)
    turned = torch.stack([-x, w, -z, y], -1)  # (0, 1, 0, 0) times the quaternion
    return Gaussians(
        gaussians.means * gaussians.means.new_tensor([1.0, -1.0, -1.0]),
        gaussians.opacities,
        gaussians.scales,
        turned,
        gaussians.colors,
    )


def write_obj(path: str | Path, mesh: trimesh.Trimesh) -> None:
    """Write Wavefront OBJ: `v x y z r g b` (sRGB in [0, 1], read by MeshLab, Blender and others),
    `vn` and faces."""
    from trimesh.exchange.obj import export_obj

    text = export_obj(
        mesh, include_normals=True, include_color=True, include_texture=False, header=None, digits=6
    )
    with atomic_write(path, "w") as file:
        file.write(text + "\n")
