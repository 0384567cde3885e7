"""The two networks of MediaPipe Pose, opened."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from hgm.core.keys import file_digest
from hgm.errors import InputError, MissingDependency
from hgm.images.photos.pose.published import FOLDER, VERSION, NetworkFile


class Network:
    """An opened network, which works on one core."""

    def __init__(self, file: NetworkFile) -> None:
        """Raises MissingDependency without LiteRT and InputError where the network's file is
        missing or another one."""
        path = FOLDER / file.name
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingDependency(
                "the package ai-edge-litert is missing, which runs the networks that find people "
                "in photos; make env installs it"
            ) from None
        if not path.is_file():
            raise InputError(
                f"{path}: no such file, a network that finds people in photos; make pose fetches it"
            )
        if file_digest(path) != file.sha256:
            raise InputError(
                f"{path}: not the network that MediaPipe {VERSION} has; make pose fetches it again"
            )
        self.edge = file.edge
        with _silence():
            self._interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [d["index"] for d in self._interpreter.get_output_details()]

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """float32 [edge, edge, 3] -> the outputs without their batch dimension, in the file's
        order."""
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """LiteRT says on the error output, past Python, how it runs a network."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
