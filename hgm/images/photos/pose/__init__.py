"""Where a person's landmarks are in a photo, and which pixels the person covers: MediaPipe Pose.

Its two networks (Apache-2.0) are files that `make env` takes from the wheel of MediaPipe; LiteRT
runs them. What comes before and after them follows the published graphs of MediaPipe 0.10.21
(mediapipe/modules/pose_detection and pose_landmark).
"""
