"""The files of MediaPipe Pose's networks, as its wheel holds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

VERSION = "0.10.21"  # of MediaPipe, the last whose wheel holds the networks
FOLDER = Path(__file__).parent / "files"  # where `make pose` puts them


@dataclass(frozen=True)
class NetworkFile:
    """One network as MediaPipe publishes it."""

    member: str  # of MediaPipe's wheel
    sha256: str
    edge: int  # of the square pictures that it takes, in pixels

    @property
    def name(self) -> str:
        return Path(self.member).name


DETECTOR = NetworkFile(
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    224,
)
LANDMARKS = NetworkFile(
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    256,
)
NETWORKS = (DETECTOR, LANDMARKS)
