"""Peak rates of devices, from their makers' data sheets, and the shares of these rates that a
forecast assumes."""

from __future__ import annotations

from dataclasses import dataclass

from hgm.errors import InputError


@dataclass(frozen=True)
class Card:
    """Peak rates of one device, dense (no structured sparsity). `source`: where they are published
    or were measured."""

    title: str
    bf16: float  # FLOP/s of matrix products and convolutions
    tf32: float  # FLOP/s of float32 convolutions, which torch runs as TF32
    memory: float  # bytes/s
    link: float  # bytes/s from card to card
    gpu: bool
    source: str


CARDS = {
    "h100": Card(
        "H100 SXM",
        989.4e12,
        494.7e12,
        3.35e12,
        900e9,
        True,
        "NVIDIA H100 Tensor Core GPU data sheet",
    ),
    "a100": Card(
        "A100 SXM 80 GB",
        312e12,
        156e12,
        2.039e12,
        600e9,
        True,
        "NVIDIA A100 Tensor Core GPU data sheet",
    ),
    "l40s": Card(
        "L40S", 362.05e12, 183e12, 864e9, 64e9, True, "NVIDIA L40S data sheet; cards meet over PCIe"
    ),
    # measured, since no data sheet has the rate of one core; one rate for both, since torch
    # computes in float32 on a CPU
    "cpu": Card(
        "CPU, one core a job",
        88e9,
        88e9,
        18e9,
        5e9,
        False,
        "`hgm bench` on one core of an AMD EPYC (docs/benchmarks.md)",
    ),
}


@dataclass(frozen=True)
class Range:
    """An estimate with its lower and upper bound. Sums add the bounds: all errors may have the same
    sign."""

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: float) -> Range:
        return Range(factor * self.low, factor * self.likely, factor * self.high)

    @classmethod
    def within(cls, likely: float, factor: float) -> Range:
        """From `likely / factor` to `likely * factor`."""
        return cls(likely / factor, likely, likely * factor)


Shares = tuple[float, float, float]  # in the best, the likely and the worst case


@dataclass(frozen=True)
class Assumed:
    """The share of the peak rate that each kind of work reaches, and the overhead of a call."""

    networks: Shares  # of FLOP/s, in convolutions, matrix products, attention
    memory: Shares  # of bytes/s, between layers and in optimizers
    # of bytes/s, for the bytes of `splatting_bytes`; sorting and blending take most of the time
    splats: Shares
    call: Shares  # seconds that the hundreds of small operations of a pass take


# The worst case of the first three is near times measured on an H200: 125 ms for the released
# networks (one and two views, eager, 16 bits) and 46 ms for the released renderer (three sets, 12
# views, with gradients). The best case is near the goals of docs/benchmarks.md.
ON_GPU = Assumed((0.6, 0.35, 0.2), (0.8, 0.6, 0.4), (0.025, 0.01, 0.004), (0.003, 0.008, 0.02))
# fitted to `hgm bench` with the two small presets, and to the trainings of runs with them
ON_CPU = Assumed((0.9, 0.6, 0.3), (0.9, 0.6, 0.3), (0.1, 0.05, 0.025), (0.015, 0.03, 0.06))
HOST: Shares = (0.5, 1.0, 2.0)  # factors on the seconds of one core, since cores differ
LINK = 0.3  # share of the bytes/s between cards


def assumed(card: Card) -> Assumed:
    """The shares assumed for a device."""
    return ON_GPU if card.gpu else ON_CPU


def card_for(name: str | None, device: str) -> Card:
    """The device that a forecast is for: the named one, or, without a name, an A100 where the
    configuration's `device` is cuda and one CPU core elsewhere.

    Raises InputError for an unknown name, and for a GPU where `device` is cpu.
    """
    if name is None:
        return CARDS["a100" if device.startswith("cuda") else "cpu"]
    if name not in CARDS:
        raise InputError(f"--device: {name!r} is unknown; expected one of {', '.join(CARDS)}")
    if CARDS[name].gpu and device == "cpu":
        raise InputError(
            f"--device: {name} is a GPU and the configuration says device: cpu; set device: auto "
            "or cuda"
        )
    return CARDS[name]
