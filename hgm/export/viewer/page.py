"""The page: layers with a checkbox each, the rig's frustums, buttons for a turn and for
screenshots."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hgm.export.quantized import to_steps
from hgm.export.viewer.cameras import FIELD_OF_VIEW, rig, turn
from hgm.export.viewer.scene import Scene
from hgm.images.views import save_png
from hgm.rig import VIEWS

STEPS = 180
SECONDS = 6.0  # of a turn
WAIT = 30.0  # seconds for the browser's picture
BODY = (120, 170, 230)


class Page:
    """Fills a `viser.ViserServer` (or what has its scene, gui, initial_camera) with a scene.
    Thread-safe as viser's callbacks are."""

    def __init__(
        self, server: Any, scene: Scene, shots: Path, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.server = server
        self.shots = shots
        self.sleep = sleep
        self.turning: set[int] = set()  # clients whose camera is on its way
        self.saving = threading.Lock()
        self.positions, self.quats = rig()
        server.scene.set_up_direction("+y")
        server.initial_camera.position = tuple(self.positions[0])
        server.initial_camera.look_at = (0.0, 0.0, 0.0)
        server.initial_camera.fov = FIELD_OF_VIEW
        self.layers: dict[str, list[Any]] = {}
        self._add_layers(scene)
        self._add_controls()

    def _add_layers(self, scene: Scene) -> None:
        """The first layer that is there is shown, the others wait."""
        add = self.server.scene
        if (g := scene.gaussians) is not None:
            colors, opacities = (
                to_steps(x.numpy(), 8).astype(np.uint8) for x in (g.colors, g.opacities)
            )
            self.layers["Gaussians"] = [
                add.add_gaussian_splats(
                    "/gaussians", g.means.numpy(), scene.covariances(), colors, opacities[:, None]
                )
            ]
        if scene.mesh is not None:
            self.layers["Mesh"] = [add.add_glb("/mesh", scene.mesh, visible=not self.layers)]
        if scene.body is not None and scene.faces is not None:
            self.layers["SMPL-X"] = [
                add.add_mesh_simple(
                    "/body", scene.body, scene.faces, color=BODY, visible=not self.layers
                )
            ]
        elif scene.body is not None:
            self.layers["SMPL-X"] = [
                add.add_point_cloud(
                    "/body", scene.body, BODY, point_size=0.004, visible=not self.layers
                )
            ]
        self.layers["Cameras"] = [
            add.add_camera_frustum(
                f"/cameras/{i:02d}",
                FIELD_OF_VIEW,
                1.0,
                scale=0.08,
                color=(90, 90, 90),
                wxyz=tuple(q),
                position=tuple(p),
                visible=False,
            )
            for i, (p, q) in enumerate(zip(self.positions, self.quats, strict=True))
        ]
        for i, frustum in enumerate(self.layers["Cameras"]):
            frustum.on_click(lambda event, i=i: self.go_to(event.client, i))

    def _add_controls(self) -> None:
        gui = self.server.gui
        with gui.add_folder("Layers"):
            for name, handles in self.layers.items():
                box = gui.add_checkbox(name, bool(handles[0].visible))
                box.on_update(lambda _, box=box, handles=handles: _show(handles, box.value))
        with gui.add_folder("Camera"):
            view = gui.add_slider(
                "View", 0, VIEWS - 1, 1, 0, hint="cameras of the rig, 0 in front, 6 behind"
            )
            view.on_update(lambda event: self.go_to(event.client, int(view.value)))
            gui.add_button("Turn", hint="once around; press again to stop").on_click(
                lambda event: self.turn(event.client)
            )
        gui.add_button("Screenshot", hint=f"PNG into {self.shots}").on_click(
            lambda event: self.screenshot(event.client)
        )

    def go_to(self, client: Any, view: int) -> None:
        """Put a client's camera into a camera of the rig."""
        if client is None:
            return
        self.turning.discard(client.client_id)
        with client.atomic():
            client.camera.up_direction = (0.0, 1.0, 0.0)
            client.camera.position = tuple(self.positions[view])
            client.camera.look_at = (0.0, 0.0, 0.0)
            client.camera.fov = FIELD_OF_VIEW

    def turn(self, client: Any) -> None:
        """Lead a client's camera once around what it looks at; a second call stops the first."""
        if client is None:
            return
        if client.client_id in self.turning:
            self.turning.discard(client.client_id)
            return
        self.turning.add(client.client_id)
        target = np.array(client.camera.look_at)
        for position in turn(client.camera.position, target, STEPS):
            if client.client_id not in self.turning:
                return
            with client.atomic():
                client.camera.position = tuple(position)
                client.camera.look_at = tuple(target)
            self.sleep(SECONDS / STEPS)
        self.turning.discard(client.client_id)

    def screenshot(self, client: Any) -> Path | None:
        """Save what a client sees, without panels, over white, as the first free shots/view_00.png;
        the page names the file."""
        if client is None:
            return None
        try:
            width = client.camera.image_width
            height = client.camera.image_height
            picture = client.get_render(height, width, transport_format="png", timeout=WAIT).astype(
                np.float64
            )
            alpha = picture[..., 3:] / 255
            with self.saving:
                path = next(
                    p for i in range(10**6) if not (p := self.shots / f"view_{i:02d}.png").exists()
                )
                save_png(
                    path, np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
                )
        # a browser that does not answer is a TimeoutError, an OSError too
        except (OSError, RuntimeError) as error:
            client.add_notification("No screenshot", f"{error}", auto_close_seconds=8.0)
            return None
        client.add_notification("Screenshot", str(path), auto_close_seconds=8.0)
        return path


def _show(handles: list[Any], shown: bool) -> None:
    for handle in handles:
        handle.visible = shown
