"""Compact formats: bytes as their descriptions say, read by decoders written from these, errors
within the formats' steps."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.export.compressed_ply import read_compressed_ply, write_compressed_ply
from hgm.export.formats import read_gaussians, y_down
from hgm.export.splat import read_splat, write_splat
from hgm.export.spz import read_spz, write_spz
from hgm.gaussians import SH_C0, Gaussians, activate, rotation_matrices
from hgm.splat import render

WRITERS = {"spz": write_spz, "splat": write_splat, "compressed.ply": write_compressed_ply}


def some(n: int = 600, seed: int = 0) -> Gaussians:
    raw = torch.randn(n, 14, generator=torch.Generator().manual_seed(seed))
    raw[:, :3] *= 0.3
    raw[:, 3] += 2
    raw[:, 4:7] -= 1.5
    return activate(raw)


def nearest(a: Gaussians, b: Gaussians) -> Gaussians:
    """`b` in the order of `a`: formats may sort."""
    assert len(a) == len(b)
    order = torch.cdist(a.means.double(), b.means.double()).argmin(1)
    assert len(set(order.tolist())) == len(a)
    return b[order]


def angle(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Largest angle in degrees between the axes of two ellipsoids; half a turn around an own axis
    changes none."""
    cosines = (rotation_matrices(a.double()) * rotation_matrices(b.double())).sum(-2).abs()
    return torch.rad2deg(torch.arccos(cosines.clamp(max=1))).amax(-1)


# greatest errors: position in units, ln scale, opacity, color, degrees
BOUNDS = {
    "spz": (0.5 / 4096, 0.5 / 16, 0.5 / 255, 0.5 * SH_C0 / 0.15 / 255, 1.6),
    "splat": (0.0, 1e-6, 0.5 / 255, 0.5 / 255, 1.2),
    "compressed.ply": (None, None, 0.5 / 255, 0.5 / 255, 0.4),
}


@pytest.mark.parametrize("name", WRITERS)
def test_round_trip_is_within_half_a_step(tmp_path: Path, name: str) -> None:
    g = some()
    WRITERS[name](g, tmp_path / f"a.{name}")
    back = nearest(g, read_gaussians(tmp_path / f"a.{name}"))
    position, scale, opacity, color, degrees = BOUNDS[name]
    # a chunk's box is no larger than all of the Gaussians; ten bits on y, half a step
    if position is None:
        position = float((g.means.amax(0) - g.means.amin(0)).max()) / 2 / 1023
        scale = float((g.scales.log().amax(0) - g.scales.log().amin(0)).max()) / 2 / 1023
    slack = 1e-6
    assert (back.means - g.means).abs().max() <= position + slack
    assert (back.scales.log() - g.scales.log()).abs().max() <= scale + slack
    assert (back.opacities - g.opacities).abs().max() <= opacity + slack
    assert (back.colors - g.colors).abs().max() <= color + slack
    assert angle(back.quats, g.quats).max() <= degrees
    WRITERS[name](g, tmp_path / f"b.{name}")
    assert (tmp_path / f"a.{name}").read_bytes() == (tmp_path / f"b.{name}").read_bytes()


@pytest.mark.parametrize(
    ("name", "least"), [("spz", 40.0), ("splat", 46.0), ("compressed.ply", 44.0)]
)
def test_renders_before_and_after_agree(tmp_path: Path, name: str, least: float) -> None:
    g = some(1500)
    rig = orbit(4, size=128)
    WRITERS[name](g, tmp_path / f"a.{name}")
    a, b = (render(x, rig).rgb for x in (g, read_gaussians(tmp_path / f"a.{name}")))
    assert a.std() > 0.05
    assert -10 * torch.log10((a - b).square().mean()) >= least


def test_spz_has_the_published_layout(tmp_path: Path) -> None:
    """A decoder that knows nothing of ours, byte by byte from the description of version 2."""
    g = some(40)
    write_spz(g, tmp_path / "a.spz")
    data = gzip.decompress((tmp_path / "a.spz").read_bytes())
    assert data[:4] == b"NGSP" and struct.unpack_from("<II", data, 4) == (2, 40)
    assert tuple(data[12:16]) == (0, 12, 0, 0) and len(data) == 16 + 19 * 40
    alphas = 16 + 9 * 40
    colors = 16 + 10 * 40
    scales = 16 + 13 * 40
    quats = 16 + 16 * 40
    for i in range(40):
        for j in range(3):
            number = (
                int.from_bytes(data[16 + 9 * i + 3 * j : 19 + 9 * i + 3 * j], "little", signed=True)
                / 4096
            )
            assert number == pytest.approx(g.means[i, j].item(), abs=0.51 / 4096)
            f_dc = (data[colors + 3 * i + j] / 255 - 0.5) / 0.15
            assert 0.5 + SH_C0 * f_dc == pytest.approx(g.colors[i, j].item(), abs=0.004)
            assert data[scales + 3 * i + j] / 16 - 10 == pytest.approx(
                g.scales[i, j].log().item(), abs=0.032
            )
        xyz = [data[quats + 3 * i + j] / 127.5 - 1 for j in range(3)]
        assert (
            angle(torch.tensor([(1 - sum(x * x for x in xyz)) ** 0.5, *xyz]), g.quats[i]).item()
            < 1.6
        )
        assert data[alphas + i] / 255 == pytest.approx(g.opacities[i].item(), abs=0.002)


def test_spz_reads_a_file_made_by_hand(tmp_path: Path) -> None:
    body = struct.pack("<IIIBBBB", 0x5053474E, 2, 1, 1, 8, 0, 0)
    body += (
        (384).to_bytes(3, "little")
        + (-256).to_bytes(3, "little", signed=True)
        + (0).to_bytes(3, "little")
    )
    # alpha, color, scale, rotation, degree 1
    body += bytes([255, 128, 255, 0, 160, 144, 128, 255, 128, 128]) + bytes(9)
    (tmp_path / "a.spz").write_bytes(gzip.compress(body))
    g = read_spz(tmp_path / "a.spz")
    assert torch.allclose(g.means, torch.tensor([[1.5, -1.0, 0.0]])) and g.opacities.item() == 1
    assert torch.allclose(g.scales.log(), torch.tensor([[0.0, -1.0, -2.0]]), atol=1e-6)
    assert torch.allclose(
        g.colors,
        torch.tensor([[0.5 + SH_C0 * x for x in (0.5 / 255 / 0.15, 0.5 / 0.15, -0.5 / 0.15)]]),
        atol=1e-5,
    )
    assert torch.allclose(
        rotation_matrices(g.quats)[0] @ torch.tensor([0.0, 1.0, 0.0]),
        torch.tensor([0.0, -1.0, 0.0]),
        atol=0.02,
    )


def test_splat_has_the_published_layout(tmp_path: Path) -> None:
    g = some(40)
    write_splat(g, tmp_path / "a.splat")
    data = (tmp_path / "a.splat").read_bytes()
    assert len(data) == 32 * 40
    weight = []
    for i in range(40):
        *floats, r, gr, b, a, w, x, y, z = struct.unpack_from("<6f8B", data, 32 * i)
        (row,) = np.flatnonzero((g.means.numpy() == np.float32(floats[:3])).all(1))
        assert floats[3:] == g.scales[row].tolist()
        assert np.allclose(np.array([r, gr, b]) / 255, g.colors[row], atol=0.002)
        assert a / 255 == pytest.approx(g.opacities[row].item(), abs=0.002)
        assert np.allclose((np.array([w, x, y, z]) - 128) / 128, g.quats[row], atol=0.008)
        weight.append(np.prod(floats[3:]) * g.opacities[row].item())
    assert (np.diff(weight) <= 1e-9).all()


def test_compressed_ply_has_the_published_layout(tmp_path: Path) -> None:
    g = some(300)
    write_compressed_ply(g, tmp_path / "a.compressed.ply")
    header, data = (tmp_path / "a.compressed.ply").read_bytes().split(b"end_header\n", 1)
    assert (
        b"element chunk 2\n" in header
        and b"element vertex 300\n" in header
        and len(data) == 2 * 72 + 300 * 16
    )
    for i in range(0, 300, 7):
        box = struct.unpack_from("<18f", data, 72 * (i // 256))
        p, q, s, c = struct.unpack_from("<4I", data, 2 * 72 + 16 * i)
        at = [
            box[j] + (box[3 + j] - box[j]) * f
            for j, f in enumerate(((p >> 21) / 2047, (p >> 11 & 1023) / 1023, (p & 2047) / 2047))
        ]
        row = int((g.means - torch.tensor(at)).norm(dim=-1).argmin())
        scale = [
            box[6 + j] + (box[9 + j] - box[6 + j]) * f
            for j, f in enumerate(((s >> 21) / 2047, (s >> 11 & 1023) / 1023, (s & 2047) / 2047))
        ]
        color = [
            box[12 + j] + (box[15 + j] - box[12 + j]) * (c >> 24 - 8 * j & 255) / 255
            for j in range(3)
        ]
        three = [((q >> shift & 1023) / 1023 - 0.5) * 2**0.5 for shift in (20, 10, 0)]
        three.insert(q >> 30, (1 - sum(x * x for x in three)) ** 0.5)
        assert np.allclose(at, g.means[row], atol=0.002) and np.allclose(
            scale, g.scales[row].log(), atol=0.01
        )
        assert np.allclose(color, g.colors[row], atol=0.003) and (c & 255) / 255 == pytest.approx(
            g.opacities[row].item(), abs=0.003
        )
        assert angle(torch.tensor(three), g.quats[row]).item() < 0.4


def test_half_a_turn_moves_rotations_with_positions() -> None:
    g = some(20)
    turned = y_down(g)
    half = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    assert torch.allclose(turned.means, g.means @ half)
    assert torch.allclose(
        rotation_matrices(turned.quats), half @ rotation_matrices(g.quats), atol=1e-6
    )


def test_invisible_and_broken_gaussians_are_left_out(tmp_path: Path) -> None:
    packed = some(4).packed()
    packed[1, 3] = 0.001
    packed[2, 0] = float("nan")
    for name, write in WRITERS.items():
        write(Gaussians.from_packed(packed), tmp_path / f"a.{name}")
        assert len(read_gaussians(tmp_path / f"a.{name}")) == 2


def one_line(error: pytest.ExceptionInfo[InputError], *words: str) -> bool:
    return "\n" not in str(error.value) and all(word in str(error.value) for word in words)


def test_bad_files_are_named(tmp_path: Path) -> None:
    header = struct.pack("<IIIBBBB", 0x5053474E, 2, 5, 0, 12, 0, 0)
    for data, word in (
        (b"hello", "not an .spz"),
        (gzip.compress(b"x" * 40), "no NGSP"),
        (b"NGSP\4\0\0\0", "version 4"),
        (gzip.compress(header.replace(b"\2", b"\3", 1)), "version 3"),
        (gzip.compress(header), "broken"),
    ):
        (tmp_path / "a.spz").write_bytes(data)
        with pytest.raises(InputError) as error:
            read_spz(tmp_path / "a.spz")
        assert one_line(error, "a.spz", word)
    (tmp_path / "a.splat").write_bytes(bytes(33))
    with pytest.raises(InputError) as error:
        read_splat(tmp_path / "a.splat")
    assert one_line(error, "33 bytes")
    write_compressed_ply(some(10), tmp_path / "a.ply")
    (tmp_path / "b.ply").write_bytes((tmp_path / "a.ply").read_bytes()[:-1])
    with pytest.raises(InputError) as error:
        read_compressed_ply(tmp_path / "b.ply")
    assert one_line(error, "b.ply", "compressed")
    some(3)._map(lambda x: x[:0]).save_ply(tmp_path / "c.ply")
    with pytest.raises(InputError, match="no Gaussian"):
        read_gaussians(tmp_path / "c.ply")
    far = some(3).packed()
    far[0, 0] = 3000.0
    with pytest.raises(InputError, match="3000 units"):
        write_spz(Gaussians.from_packed(far), tmp_path / "d.spz")
    assert not (tmp_path / "d.spz").exists()
