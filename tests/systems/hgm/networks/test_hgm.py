"""The whole network: shapes, order of the Gaussians, independence of samples, ablations, precision,
repeatability."""

import pytest
import torch
from net_samples import batch_of, body_points, rig, tiny_model
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.systems.hgm.networks.hgm import HGMOutput


def packed(out: HGMOutput) -> list[Tensor]:
    return [g.packed() for g in (out.merged, out.unet, out.body) if g is not None]


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("batch", [1, 2])
def test_shapes_and_ranges(views: int, batch: int) -> None:
    model = tiny_model(views)
    out = model(*batch_of(model, batch))
    assert out.merged.shape == out.unet.shape == (batch, views * 32 * 32)
    assert out.body is not None and out.body.shape == (batch, 501)
    for x in packed(out):
        g = Gaussians.from_packed(x)
        assert torch.isfinite(x).all()
        assert g.opacities.min() > 0 and g.opacities.max() < 1 and g.scales.min() > 0
        torch.testing.assert_close(g.quats.norm(dim=-1), torch.ones_like(g.opacities))


@pytest.mark.parametrize("views", [1, 2])
def test_a_batch_gives_what_its_samples_give_alone(views: int) -> None:
    model = tiny_model(views).eval()
    images, cameras, vertices = batch_of(model, 2)
    together = model(images, cameras, vertices)
    for i in range(2):
        alone = model(images[i : i + 1], cameras[i : i + 1], vertices[i : i + 1])
        for a, b in zip(packed(together), packed(alone), strict=True):
            torch.testing.assert_close(a[i : i + 1], b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("legacy", [False, True])
def test_gaussians_run_view_after_view_in_raster_order(legacy: bool) -> None:
    model = tiny_model(2, legacy=legacy).eval()
    seen = {}
    model.unet.register_forward_hook(lambda _, args, out: seen.update(features=out[1]))
    model.conv.register_forward_hook(lambda _, args, out: seen.update(raw=out))
    model.merge.register_forward_hook(lambda _, args, out: seen.update(merge=args[0]))
    out = model(*batch_of(model, 2))
    place = 32 * 32 + 5 * 32 + 7  # second view, row 5, column 7
    for sample in range(2):
        raw = seen["raw"][2 * sample + 1, :, 5, 7]
        torch.testing.assert_close(out.unet.means[sample, place], raw[:3].clamp(-1, 1))
        torch.testing.assert_close(seen["merge"][sample, :3, place], out.unet.means[sample, place])
        merged_features = seen["merge"][sample, 3 : 3 + 16, place]
        # the channels of both views interleave: view 1 gets the odd ones of view 0, then of view 1
        if legacy:
            both = seen["features"][2 * sample : 2 * sample + 2, 1::2, 5, 7]
            torch.testing.assert_close(merged_features, both.flatten())
        else:
            torch.testing.assert_close(merged_features, seen["features"][2 * sample + 1, :, 5, 7])


def test_merged_position_is_the_unet_position_plus_a_clamped_offset() -> None:
    model = tiny_model().eval()
    with torch.no_grad():
        model.merge.conv_out.bias[0] = 3.0
    out = model(*batch_of(model, 1))
    torch.testing.assert_close(out.merged.means[..., 0], out.unet.means[..., 0] + 1)
    assert not torch.allclose(out.merged.colors, out.unet.colors)


def test_legacy_changes_the_result_with_equal_weights() -> None:
    model = tiny_model(2, patch=1).eval()
    legacy = tiny_model(2, patch=1, legacy=True).eval()
    legacy.load_state_dict(model.state_dict())
    sample = batch_of(model, 1)
    assert (model(*sample).merged.packed() - legacy(*sample).merged.packed()).abs().max() > 1e-3


def test_every_parameter_learns() -> None:
    model = tiny_model(2)
    sum(x.square().sum() for x in packed(model(*batch_of(model, 1)))).backward()
    idle = [
        name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0
    ]
    assert idle == []


def test_image_reaches_the_merged_set_through_body_and_volume() -> None:
    model = tiny_model().eval()
    images, cameras, vertices = batch_of(model, 1)
    moved = model(images, cameras, vertices + torch.tensor([0.1, 0.0, 0.0]))
    out = model(images, cameras, vertices)
    assert torch.equal(moved.unet.packed(), out.unet.packed())
    assert not torch.allclose(moved.merged.packed(), out.merged.packed(), atol=1e-5)


def test_without_vertices_there_is_no_body() -> None:
    model = tiny_model()
    images, cameras, vertices = batch_of(model, 1)
    assert model(images, cameras).body is None
    lean = tiny_model(use_body=False)
    out = lean(images, cameras, vertices)
    assert out.body is None and out.merged.shape == (1, 1024)
    assert torch.equal(out.merged.packed(), lean(images, cameras).merged.packed())


def test_bf16_is_close_and_its_outputs_are_float32() -> None:
    model = tiny_model().eval()
    sample = batch_of(model, 1)
    with torch.no_grad():
        exact = model(*sample)
        fast = model(*sample, precision="bf16")
    for a, b in zip(packed(exact), packed(fast), strict=True):
        assert b.dtype == torch.float32
        assert 0 < (a - b).abs().mean() < 0.02


def test_an_outer_autocast_does_not_reach_the_network() -> None:
    model = tiny_model().eval()
    sample = batch_of(model, 1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        inside = model(*sample)
    with torch.no_grad():
        outside = model(*sample)
    assert torch.equal(inside.merged.packed(), outside.merged.packed())


def test_channels_last_and_checkpointing_change_nothing() -> None:
    results = []
    for options in ({}, {"channels_last": True}, {"checkpointing": True}):
        model = tiny_model(**options)
        out = model(*batch_of(model, 1))
        sum(x.square().mean() for x in packed(out)).backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
        results.append((torch.cat(packed(out), 1), gradient / gradient.norm()))
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_same_seed_gives_the_same_bits() -> None:
    runs = []
    for _ in range(2):
        model = tiny_model(2)
        out = packed(model(*batch_of(model, 2)))
        sum(x.square().mean() for x in out).backward()
        runs.append(
            torch.cat(
                [*(x.flatten() for x in out), *(p.grad.flatten() for p in model.parameters())]
            )
        )
    assert torch.equal(runs[0], runs[1])


def test_unfitting_input_is_refused_in_one_line() -> None:
    model = tiny_model(2)
    images, cameras, vertices = batch_of(model, 1)
    with pytest.raises(
        InputError, match=r"images: expected \[B, 2, 3, 64, 64\], got \[1, 1, 3, 64, 64\]"
    ):
        model(images[:, :1], cameras[:, :1], vertices)
    with pytest.raises(InputError, match="cameras: expected"):
        model(images, rig(1, 2, 128), vertices)
    with pytest.raises(InputError, match=r"vertices: expected \[1, 501, 3\]"):
        model(images, cameras, body_points(1, 500))
    with pytest.raises(InputError, match="precision"):
        model(images, cameras, vertices, precision="fp16")


def test_no_sample_leaks_into_the_ray_channels() -> None:
    model = tiny_model(use_body=False).eval()
    seen = {}
    model.unet.register_forward_hook(lambda _, args, out: seen.update(x=args[0]))
    cameras = rig(1, 1, 64)
    model(torch.full((1, 1, 3, 64, 64), 0.485), cameras)
    torch.testing.assert_close(seen["x"][0, 0], torch.zeros(64, 64))  # the mean of ImageNet's red
    torch.testing.assert_close(seen["x"][0, 3:], cameras.ray_embedding()[0, 0])


def test_other_rays_reach_the_networks_and_leave_the_body_where_it_is() -> None:
    model = tiny_model(2).eval()
    images, cameras, vertices = batch_of(model, 1)
    rays = Cameras(cameras.K, cameras.world_to_camera.flip(1), cameras.width, cameras.height)
    seen = {}
    model.unet.register_forward_hook(lambda _, args, out: seen.update(x=args[0]))
    model.body.register_forward_hook(lambda _, args, out: seen.update(body=args[1]))
    out = model(images, cameras, vertices, rays=rays)
    torch.testing.assert_close(seen["x"][:, 3:], rays.ray_embedding()[0])
    assert torch.equal(seen["body"].world_to_camera, cameras.world_to_camera)
    assert not torch.equal(out.unet.means, model(images, cameras, vertices).unet.means)
