"""The network's parameters, what of it learns, and its Gaussians."""

import dataclasses
import math

import pytest
import torch
from checkouts import ROOT
from stereo_scenes import slope

from hgm.errors import InputError
from hgm.gaussians import rotation_matrices
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.network import Design, PoseGaussian, turned
from hgm.systems.posegaussian.settings import Network
from hgm.systems.posegaussian.widths import WIDTHS

PAPER = Design(WIDTHS["paper"])


def size(*modules) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def test_parameters_are_those_of_the_release():
    """The table of docs/posegaussian.md."""
    with torch.device("meta"):
        network = PoseGaussian(PAPER)
        none = PoseGaussian(dataclasses.replace(PAPER, heat=0))
        released = PoseGaussian(dataclasses.replace(PAPER, learned=False, released=True))
    stereo, regressor = network.stereo, network.regressor
    assert size(network.encoder) == 414_384
    assert size(network.fusion.encoder) == 1_013_408
    assert size(network.fusion.projection) == 21_600
    assert size(stereo.compared, stereo.state, stereo.context) == 831_552
    assert size(stereo.bias) == 249_120
    assert size(stereo.motion) == 227_838
    assert size(stereo.gru) == 580_896
    assert size(stereo.change) == 226_050
    assert size(stereo.shares) == 369_472
    assert size(stereo) == 2_484_928
    assert size(regressor.depth) == 412_784
    assert size(regressor.decoder) == 793_392
    assert size(regressor.out, regressor.heads) == 43_016
    assert size(network) == 5_183_512
    assert size(none) == 4_148_504
    assert size(released.unused) == 995_904
    assert size(released) == 6_157_816
    page = (ROOT / "docs/posegaussian.md").read_text()
    for module in (network.encoder, network.fusion.encoder, stereo, regressor, network, released):
        assert f"| {size(module):,} |" in page


def test_released_faults_are_those_of_every_variant_with_heat_maps():
    """A run of `compat: released` trains no fusion, whatever the variant is called."""
    for fusion in ("learned", "released_random"):
        design = Design.of(Network(), fusion, compat="released")
        assert not design.learned and design.released and design.heat == 3
    assert Design.of(Network(), "learned").learned
    assert Design.of(Network(), "none", compat="released").heat == 0
    with torch.device("meta"):
        assert size(PoseGaussian(Design.of(Network(), "learned", compat="released"))) == 6_157_816


def test_released_scales_are_at_most_a_centimeter_in_pictures_of_any_size(batch):
    """And begin anywhere, not all alike where gradients move them."""
    edge = batch.images.shape[-1]

    @torch.no_grad()
    def scales(released: bool, more: float = 0.0) -> torch.Tensor:
        network = small(released=released).eval()
        network.regressor.heads[1][-1].bias += more
        return network.maps(batch, network(batch)._replace(flows=[batch.flow])).scales

    assert scales(True).max() <= 0.01 and scales(True).std() > 1e-4
    assert (scales(True, more=5.0) == 0.01).all() and scales(True, more=-5.0).max() < 1e-4
    even = scales(False)
    torch.testing.assert_close(even, torch.full_like(even, math.log(2) / 100))
    assert float(scales(False, more=5.0).min()) == pytest.approx(0.01 * 1024 / edge)


def small(**changes) -> PoseGaussian:
    torch.manual_seed(0)
    return PoseGaussian(dataclasses.replace(Design(WIDTHS["small"], iterations=2), **changes))


@pytest.fixture(scope="module")
def batch():
    return StereoBatch.of([slope(seed=0), slope(seed=1)])


def learning(network: PoseGaussian, batch: StereoBatch) -> set[str]:
    """Parameters with a gradient of the disparity's loss."""
    flow = network(batch).flows[-1]
    (flow - batch.flow).abs()[batch.valid].mean().backward()
    return {n for n, p in network.named_parameters() if p.grad is not None and bool(p.grad.any())}


def names(network: PoseGaussian, *parts: str) -> set[str]:
    return {n for n, _ in network.named_parameters() if n.startswith(parts)}


def test_a_learned_fusion_teaches_all_of_the_pose_encoder(batch):
    network = small()
    assert learning(network, batch) == names(network, "encoder.", "fusion.", "stereo.")


def test_the_released_fusion_teaches_neither_encoder(batch):
    network = small(learned=False)
    assert names(network, "fusion.encoder.")
    assert learning(network, batch) == names(network, "stereo.")


def test_the_released_fusion_is_drawn_anew_while_it_trains(batch):
    network = small(learned=False)
    one, two = (network(batch).flows[-1] for _ in range(2))
    assert not torch.equal(one, two)
    network.eval()
    one, two = (network(batch).flows[-1] for _ in range(2))
    assert torch.equal(one, two)


def test_in_training_each_refinement_has_a_flow(batch):
    network = small()
    flows = network(batch, 3).flows
    assert [tuple(flow.shape) for flow in flows] == [(4, 1, 64, 64)] * 3
    [last] = network.eval()(batch, 3).flows
    torch.testing.assert_close(last, flows[-1])


def test_both_views_of_a_slope_are_one_plane(batch):
    """From the true flow; float32 at about two meters."""
    network = small()
    maps = network.maps(batch, network(batch)._replace(flows=[batch.flow]))
    gaussians = network.gaussians(batch, maps)
    assert len(gaussians) == 2
    for one in gaussians:
        points = one.means.detach().double()
        assert len(one) == 2 * 48 * 32 and float(points[:, 2].std()) > 0.01
        center = points.mean(0)
        # flows are float16: 2^-11 of some 20 pixels, a thousandth of the depth
        residual = (points - center) @ torch.linalg.svd(points - center, full_matrices=False)[2][2]
        assert float(residual.abs().max()) < 5e-3
        assert bool((one.opacities < 1).all())
        torch.testing.assert_close(one.quats.norm(dim=-1), torch.ones(len(one)))
    count = len(gaussians[0]) // 2
    seen = batch.masks[0, 0] > 0.5
    assert torch.equal(gaussians[0].colors[:count], batch.images[0][:, seen].T)


def test_all_scales_can_move_at_the_start(batch):
    network = small()
    maps = network.maps(batch, network(batch))
    torch.testing.assert_close(maps.scales, torch.full_like(maps.scales, math.log(2) / 100))
    maps.scales.sum().backward()
    assert float(network.regressor.heads[1][-1].bias.grad.abs().min()) > 0


def test_the_largest_scale_is_the_same_in_pixels(batch):
    """0.01 m at 1024 pixels."""
    network = small()
    torch.nn.init.constant_(network.regressor.heads[1][-1].bias, 1.0)
    maps = network.maps(batch, network(batch))
    torch.testing.assert_close(maps.scales, torch.full_like(maps.scales, 0.01 * 1024 / 64))


def test_rotations_may_turn_with_their_camera():
    turn = rotation_matrices(torch.tensor([0.3, -0.5, 0.2, 0.7]))
    quats = torch.nn.functional.normalize(torch.randn(20, 4), dim=-1)
    found = rotation_matrices(turned(quats, turn))
    torch.testing.assert_close(found, turn @ rotation_matrices(quats))


def test_a_saved_network_is_the_same(batch, tmp_path):
    for network in (small(), small(heat=0, maps=False), small(learned=False, released=True)):
        network.save(tmp_path)
        loaded = PoseGaussian.load(tmp_path)
        assert loaded.design == network.design
        assert torch.equal(loaded(batch).flows[-1], network.eval()(batch).flows[-1])
    network.save(tmp_path / "again")
    for name in ("weights.safetensors", "model.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_second_training_starts_from_the_first(batch, tmp_path):
    first = small(maps=False)
    first.save(tmp_path)
    second = PoseGaussian(dataclasses.replace(first.design, maps=True))
    own = {name: x.clone() for name, x in second.regressor.state_dict().items()}
    second.start_from(tmp_path)
    assert all(torch.equal(x, own[name]) for name, x in second.regressor.state_dict().items())
    assert torch.equal(second.eval()(batch).flows[-1], first.eval()(batch).flows[-1])
    with pytest.raises(InputError, match=r"fusion\..* missing; the weights are of another model"):
        small(heat=0, maps=False).save(tmp_path)
        second.start_from(tmp_path)


def test_what_does_not_fit_is_one_clear_error(batch, tmp_path):
    with pytest.raises(InputError, match=r"3 channels; this network expects 17 \(heatmaps\.enc"):
        small(heat=17)(batch)
    with pytest.raises(InputError, match="no channels; this network expects 3"):
        small()(dataclasses.replace(batch, heat=None))
    with pytest.raises(InputError, match="pictures of 60 pixels; expected a multiple of 8"):
        small()(StereoBatch.of([slope(60)]))
    with pytest.raises(InputError, match="expected a folder of a trained network"):
        PoseGaussian.load(tmp_path)
    (tmp_path / "model.json").write_text('{"widths": {"image": 3}}')
    with pytest.raises(InputError, match=r"not the design of a network .*; train it again"):
        PoseGaussian.load(tmp_path)
