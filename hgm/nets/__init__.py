"""The networks of HGM."""

from hgm.nets.config import HGMConfig, UNetWidths
from hgm.nets.hgm import HGM, HGMOutput

__all__ = ["HGM", "HGMConfig", "HGMOutput", "UNetWidths"]
