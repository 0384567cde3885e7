"""Foreign weights by name: every key of LGM and of the release has one place of its own in our
model, and no other has."""

import hashlib

import pytest
import torch
from net_samples import tiny_model
from release_samples import SMALL, checkpoint, lgm_keys, noise, release_keys, shapes

from hgm.errors import InputError
from hgm.nets.spconv_backend import to_spconv
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.release import LGM, RELEASE, adopt, kind_of, our_key


def outline(config: HGMConfig) -> HGM:
    with torch.device("meta"):
        return HGM(config)


@pytest.mark.parametrize(
    ("keys", "vertices", "count", "digest"),
    [
        (release_keys, 10475, 910, "4d7236c8514ebcd7"),
        (release_keys, 6890, 910, "e8c7c3b1b47a98b0"),
        (lgm_keys, 10475, 376, "eb4869fedd595729"),
    ],
)
def test_keys_and_shapes_are_the_released_ones(
    keys, vertices: int, count: int, digest: str
) -> None:
    """The digest is of the sorted lines `key [shape]` of the released modules' own state dicts, at
    the published sizes.

    It was made as test_released_outputs.py says.
    """
    model = outline(HGMConfig.paper(vertices=vertices))
    lines = sorted(f"{key} {list(shape)}" for key, shape in shapes(model, keys(model)).items())
    assert len(lines) == count
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == digest


def test_every_key_of_the_release_has_one_place_of_its_own() -> None:
    model = outline(HGMConfig.paper())
    keys = release_keys(model)
    names = [our_key(key) for key in keys]
    assert len(set(names)) == len(names)
    assert set(names) == {k for k in model.state_dict() if not k.startswith("body.head.")}
    assert our_key("net.conv_out.bias") == "body.head.conv_out.bias"
    assert our_key("unet2.upconv3.conv.weight") is None


def test_sparse_layers_keep_their_order() -> None:
    order = [(0, 0), (0, 3), (1, 0), (2, 0), (2, 3), (3, 0), (4, 0)]
    for layer, (group, place) in enumerate(order):
        assert (
            our_key(f"xyzc_net.net.{group}.{place}.weight")
            == f"volume.pyramid.layers.{layer}.weight"
        )
        assert (
            our_key(f"xyzc_net.net.{group}.{place + 1}.bias")
            == f"volume.pyramid.layers.{layer}.norm.bias"
        )


def test_kinds_are_told_apart_and_strangers_refused() -> None:
    model = outline(SMALL)
    assert kind_of(release_keys(model), source="f") is RELEASE
    assert kind_of([*release_keys(model), "m_smplx.v_template"], source="f") is RELEASE
    assert kind_of(lgm_keys(model), source="f") is LGM
    assert kind_of([*lgm_keys(model), "lpips_loss.net.weight"], source="f") is LGM
    with pytest.raises(
        InputError, match=r"^f: key body\.tokens\.weight is neither LGM's nor the released HGM's"
    ):
        kind_of(["unet.conv_in.weight", "body.tokens.weight"], source="f")


def test_release_takes_its_places_with_kernels_turned() -> None:
    model = HGM(SMALL)
    head = {k: v.clone() for k, v in model.state_dict().items() if k.startswith("body.head.")}
    tensors = checkpoint(shapes(model, release_keys(model)))
    adopted = adopt(model, tensors, source="f")
    own = model.state_dict()
    for key, tensor in tensors.items():
        ours = own[our_key(key) or key]
        sparse = key.startswith("xyzc_net") and ours.ndim == 3
        assert torch.equal(to_spconv(ours) if sparse else ours, tensor), key
    assert all(torch.equal(own[name], tensor) for name, tensor in head.items())
    assert adopted.new == {"body.head": (6, sum(t.numel() for t in head.values()))}
    assert adopted.taken["encoder"][1] == 8_895_872 and adopted.taken["volume"] == (14 * 6, 387_968)
    assert adopted.taken["body.attention"] == (6, 4_160) and adopted.ignored == {}


def test_a_body_head_is_taken_where_a_file_has_one() -> None:
    model = HGM(SMALL.replace(body_head="mixnet"))
    tensors = checkpoint(shapes(model, release_keys(model)))
    head = {f"net.{k}": noise(k, *v.shape) for k, v in model.body.head.state_dict().items()}
    adopted = adopt(model, {**tensors, **head}, source="f")
    assert (
        torch.equal(model.body.head.conv_out.bias, head["net.conv_out.bias"]) and adopted.new == {}
    )
    del head["net.conv_out.bias"]
    with pytest.raises(InputError, match=r"key body.head.conv_out.bias of shape \[14\] is missing"):
        adopt(model, {**tensors, **head}, source="f")


def test_lgm_starts_the_unet_and_nothing_else() -> None:
    model = tiny_model(spare_layers=True)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    half = {
        key: tensor.half() for key, tensor in checkpoint(shapes(model, lgm_keys(model))).items()
    }
    adopted = adopt(model, {**half, "lpips_loss.net.weight": torch.zeros(3)}, source="f")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, half[name].float() if name in half else before[name]), name
    assert set(adopted.taken) == {"unet", "conv"} and adopted.ignored == {"lpips_loss": (1, 3)}
    assert set(adopted.new) == {
        "unet.norm_out_2",
        "unet.conv_out_2",
        "merge",
        "encoder",
        "body.tokens",
        "body.attention",
        "body.head",
        "volume",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv.bias": None}, r"^f, read as LGM: key conv.bias of shape \[14\] is missing"),
        (
            {"conv.bias": torch.zeros(15)},
            r"^f: key conv.bias has shape \[15\], expected \[14\]; give a checkpoint of LGM",
        ),
        (
            {"unet.up_blocks.7.nets.0.conv1.weight": torch.zeros(2)},
            r"^f: key unet.up_blocks.7.nets.0.conv1.weight of shape \[2\] has no",
        ),
    ],
)
def test_a_wrong_key_is_named_and_nothing_changes(change, message: str) -> None:
    model = tiny_model()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    tensors = {
        k: v
        for k, v in {**checkpoint(shapes(model, lgm_keys(model))), **change}.items()
        if v is not None
    }
    with pytest.raises(InputError, match=message) as error:
        adopt(model, tensors, source="f")
    assert "\n" not in str(error.value)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
