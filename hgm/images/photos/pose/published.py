"""What is published of MediaPipe Pose: the files of its networks, as its wheel holds them, and the
names of its landmarks."""

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
NAMES = (
    "nose",
    "left_eye_inner", "left_eye", "left_eye_outer",
    "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
