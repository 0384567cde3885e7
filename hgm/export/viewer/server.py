"""`hgm view`: a server on this machine that shows a result until it is interrupted."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from pathlib import Path
from typing import Any

from hgm.errors import InputError, MissingDependency
from hgm.export.viewer.page import Page
from hgm.export.viewer.scene import Scene

VISER = "1.1.1"


def start(
    scene: Scene, *, host: str = "127.0.0.1", port: int = 8080, shots: Path = Path(".")
) -> Any:
    """Start a `viser.ViserServer` with the scene; a port in use gives way to the next free one.

    Raises MissingDependency without viser, InputError for an impossible port or host.
    """
    if not 1 <= port <= 65535:
        raise InputError(f"--port: {port} is no port; expected 1 to 65535, as 8080")
    try:  # viser itself would try one port after the other for ever
        with socket.create_server((host, 0)):
            pass
    except OSError:
        raise InputError(
            f"--host: {host} is no address of this machine; expected 127.0.0.1 or 0.0.0.0"
        ) from None
    try:
        import viser
    except ImportError:
        raise MissingDependency(
            f"hgm view needs viser: .venv/bin/pip install viser=={VISER}"
        ) from None
    # browsers open connections ahead and close them unused; each would print a traceback
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    server = viser.ViserServer(host=host, port=port, label=f"hgm {scene.name}", verbose=False)
    Page(server, scene, shots)
    return server


def serve(scene: Scene, *, host: str, port: int, shots: Path, browser: bool) -> None:
    """Show the scene until Ctrl-C; the address is printed, and opened in the user's browser unless
    told not to."""
    server = start(scene, host=host, port=port, shots=shots)
    address = (
        f"http://{'localhost' if host in ('0.0.0.0', '127.0.0.1') else host}:{server.get_port()}"
    )
    sys.stdout.write(f"{address}  (Ctrl-C ends it)\n")
    sys.stdout.flush()
    if browser:
        import webbrowser

        webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):
        server.sleep_forever()
    server.stop()
