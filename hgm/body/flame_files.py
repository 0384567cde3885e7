"""Where the files of FLAME's head model lie. Without torch, since plans name these files."""

from __future__ import annotations

from pathlib import Path

HEAD_FILE = "generic_model.pkl"
LANDMARKS_FILE = "landmark_embedding.npy"
CONVERTED = ".npz"  # ending of a file of the same keys, which is read before the pickle


def head_file(path: str | Path) -> Path:
    """The model's file: `path` itself, or in a folder generic_model.npz where there is one, else
    generic_model.pkl, there or not."""
    path = Path(path)
    if path.suffix in (Path(HEAD_FILE).suffix, CONVERTED) and not path.is_dir():
        return path
    if path.is_file():
        return path
    pickled = path / HEAD_FILE
    converted = pickled.with_suffix(CONVERTED)
    return converted if converted.is_file() else pickled
