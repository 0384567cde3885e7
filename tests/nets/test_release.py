"""Foreign weights: every key of the release has one place in our model, LGM starts the U-Net."""

from pathlib import Path

import pytest
import torch
from net_samples import tiny_model

from hgm.errors import InputError
from hgm.nets import HGM, HGMConfig
from hgm.nets.release import load_lgm, load_release, our_key
from hgm.nets.spconv_backend import to_spconv
from hgm.nets.weights import save_tensors


def release_keys(model: HGM) -> list[str]:
    """Keys of the released network, written out from its module tree; the U-Nets' names are ours."""
    own = list(model.state_dict())
    keys = [k for k in own if k.startswith(("unet.", "conv."))]
    keys += [k.replace("merge.", "res.", 1) for k in own if k.startswith("merge.")]
    keys += ["c.weight", *(f"xyzc_attn.{n}.weight" for n in ("w_qs", "w_ks", "w_vs", "fc", "layer_norm")),
             "xyzc_attn.layer_norm.bias"]
    both = ("weight", "bias")
    keys += ["unet2.conv1.weight", *(f"unet2.bn1.{n}" for n in both)]
    for layer, blocks in ((1, 3), (2, 4), (3, 6)):
        for block in range(blocks):
            names = [("conv1", 1), ("bn1", 2), ("conv2", 1), ("bn2", 2)]
            names += [("downsample.0", 1), ("downsample.1", 2)] if block == 0 else []
            keys += [f"unet2.layer{layer}.{block}.{name}.{n}" for name, count in names for n in both[:count]]
    for name in ("upconv3.conv", "iconv3", "upconv2.conv", "iconv2"):
        keys += [f"unet2.{name}.{part}.{n}" for part in ("conv", "bn") for n in both]
    keys += [f"unet2.out_conv.{n}" for n in both]
    statistics = (*both, "running_mean", "running_var", "num_batches_tracked")
    for group in range(9):  # double, strided, double, ...
        for place in (0, 3) if group % 2 == 0 else (0,):
            keys += [f"xyzc_net.net.{group}.{place}.weight"]
            keys += [f"xyzc_net.net.{group}.{place + 1}.{n}" for n in statistics]
    return keys


def test_every_key_of_the_release_has_one_place_of_its_own() -> None:
    with torch.device("meta"):
        model = HGM(HGMConfig.paper())
    keys = release_keys(model)
    names = [our_key(key) for key in keys]
    assert len(set(names)) == len(names)
    assert set(names) == {k for k in model.state_dict() if not k.startswith("body.head.")}
    assert our_key("lpips_loss.net.weight") is None


def test_sparse_layers_keep_their_order() -> None:
    order = [(0, 0), (0, 3), (1, 0), (2, 0), (2, 3), (3, 0), (4, 0)]
    for layer, (group, place) in enumerate(order):
        assert our_key(f"xyzc_net.net.{group}.{place}.weight") == f"volume.pyramid.layers.{layer}.weight"
        assert our_key(f"xyzc_net.net.{group}.{place + 1}.bias") == f"volume.pyramid.layers.{layer}.norm.bias"


def test_release_loads_with_kernels_turned(tmp_path: Path) -> None:
    donor, path = tiny_model(encoder_stages=((8, 3), (16, 4), (16, 6)), sparse_levels=4), tmp_path / "release.safetensors"
    own = {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in donor.state_dict().items()}
    tensors = {}
    for key in release_keys(donor):
        tensor = own[our_key(key)]
        tensors[key] = to_spconv(tensor) if tensor.ndim == 3 and key.startswith("xyzc_net") else tensor
    save_tensors(tensors, path)
    model = tiny_model(encoder_stages=((8, 3), (16, 4), (16, 6)), sparse_levels=4)
    assert all(name.startswith("body.head.") for name in load_release(model, path))
    for name, tensor in model.state_dict().items():
        if not name.startswith("body.head."):
            assert torch.equal(tensor, own[name]), name
    save_tensors({**tensors, "unet3.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"unet3\.weight"):
        load_release(model, path)


def test_lgm_checkpoint_starts_the_unet(tmp_path: Path) -> None:
    donor, path = tiny_model(), tmp_path / "lgm.safetensors"
    half = {k: torch.randn_like(v).half() for k, v in donor.state_dict().items() if k.startswith(("unet.", "conv."))}
    save_tensors({**half, "lpips_loss.net.weight": torch.zeros(3)}, path)
    model = tiny_model(spare_layers=True)
    merge = model.merge.conv_in.weight.clone()
    load_lgm(model, path)
    torch.testing.assert_close(model.unet.conv_in.weight, half["unet.conv_in.weight"].float())
    torch.testing.assert_close(model.conv.bias, half["conv.bias"].float())
    assert torch.equal(model.merge.conv_in.weight, merge)
    del half["unet.conv_out.bias"]
    save_tensors(half, path)
    with pytest.raises(InputError, match=r"key conv_out.bias of shape \[14\] is missing"):
        load_lgm(model, path)
