"""Unlit views of a textured scan, or of a surface that moves, with Cycles. The only file that
imports bpy.

The texture is shown as it is (a pure emitter, no bounces), so a pixel's color is the mean of the
texture over its area and the picture needs no light. The state of bpy is global: one Renderer in a
process at a time; never fork after it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from hgm.cameras import Cameras
from hgm.core.isolation import check_blender_place
from hgm.core.libraries import explain
from hgm.errors import InputError, ScanError
from hgm.render.border import FAR, NEAR, border_of
from hgm.render.materials import SHADE, emitter, shaded_emitter
from hgm.render.paths import memory_folder, readable
from hgm.render.surface import Surface, remove_textures, texture_file
from hgm.scans.preflight import CheckedScan

GPU_BACKENDS = ("OPTIX", "CUDA")  # the faster first
DEVICES = ("cpu", "auto", "gpu")
SENSOR = 36.0  # millimeters; any width will do, the lens follows
MISS = 1e9  # Blender writes 1e10 for a miss and 1e11 outside the border
LOST_FACES = 0.01  # share of faces that Blender may leave out: it drops doubled and collapsed ones


@dataclass(frozen=True)
class Frame:
    """One rendered view."""

    rgba: np.ndarray  # [H, W, 4] uint8 sRGB, straight alpha = share of the pixel that is covered
    depth: np.ndarray  # [H, W] float32 planar z at the pixel center, 0 = nothing hit
    # [H, W, 3] float32 world-space unit normal towards the camera, 0 where alpha is 0
    normal: np.ndarray
    cropped: bool  # the scan reaches beyond the image


class Renderer:
    """Renders one scan after the other: `load` and `load_surface` put one in the place of the
    last; `move` moves a surface between renders."""

    def __init__(
        self, *, samples: int = 16, device: str = "cpu", scratch: Path | None = None
    ) -> None:
        """`samples` per pixel; `device` cpu, gpu or auto: a GPU where Cycles finds one.
        `self.device` is what it got. Large short-lived files go to a folder of their own in
        `scratch`, by default in memory.

        Raises InputError when a GPU was asked for and there is none: Blender would go on with the
        CPU and say nothing.
        """
        if device not in DEVICES:
            raise InputError(f"render device: {device!r} is not one of {', '.join(DEVICES)}")
        self.bpy = _import_bpy()
        self.version: str = self.bpy.app.version_string
        self.points = np.zeros((0, 3))  # vertices of the scan in the world
        self._surface: tuple[Surface, Any] | None = None  # one that moves, and Blender's mesh of it
        self._folder = tempfile.TemporaryDirectory(
            prefix="hgm-render-", dir=scratch or memory_folder()
        )
        with _quiet():
            # before the device: it resets the preferences
            self.bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = self.bpy.context.scene
        self._configure(samples)
        self.device = self._choose_device(device)

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wipe()
        self._folder.cleanup()

    def load(self, obj: Path, checked: CheckedScan, transform: np.ndarray) -> None:
        """Put a scan into the world; `transform` [4, 4] is a similarity from its units. Raises
        ScanError."""
        bpy = self.bpy
        self._wipe()
        try:
            with _quiet():  # these axes keep the coordinates of the file
                bpy.ops.wm.obj_import(filepath=str(obj), forward_axis="Y", up_axis="Z")
        except RuntimeError as error:
            raise ScanError(
                f"{obj}: Blender cannot read it ({str(error).strip().splitlines()[0]})"
            ) from None
        objects = [o for o in bpy.data.objects if o.type == "MESH"]
        kept = sum(len(o.data.polygons) for o in objects)
        if kept < (1 - LOST_FACES) * checked.mesh.polygons:
            raise ScanError(
                f"{obj}: Blender kept {kept} of {checked.mesh.polygons} faces; the file is damaged"
            )
        material = emitter(bpy, self._image(checked.texture))
        for item in objects:
            self._dress(item.data, material)
            item.matrix_world = _matrix(transform)
        self.points = checked.mesh.vertices @ transform[:3, :3].T + transform[:3, 3]

    def load_surface(
        self, faces: np.ndarray, uvs: np.ndarray, texture: np.ndarray | str | Path
    ) -> None:
        """Put a surface into the world, to be placed by `move`.

        faces [F, 3]: indices into the vertices that `move` is given. uvs [F, 3, 2]: texture
        coordinates of the faces' corners as in an OBJ file, (0, 0) the lower left of the texture
        (`uvs[faces]` of those of vertices). texture: uint8 sRGB [H, W, 3], the first row on top, or
        the path of a JPEG or PNG. Pictures are those of an OBJ file with the same numbers. Raises
        InputError for arrays that do not fit.
        """
        surface = Surface.of(faces, uvs)
        folder = Path(self._folder.name)
        path = texture_file(texture, folder)
        self._wipe()
        remove_textures(folder, but=path)
        data = self.bpy.data
        mesh = data.meshes.new("surface")
        corners = surface.faces.size
        mesh.vertices.add(len(surface.used))
        mesh.loops.add(corners)
        mesh.loops.foreach_set("vertex_index", surface.faces.ravel())
        mesh.polygons.add(len(surface.faces))
        mesh.polygons.foreach_set("loop_start", np.arange(0, corners, 3, dtype=np.int32))
        mesh.uv_layers.new(name="uv").data.foreach_set("uv", surface.uvs.ravel())
        mesh.attributes.new(SHADE, "FLOAT", "POINT")
        mesh.update(calc_edges=True)
        mesh.validate()  # leaves out faces that are doubled or have a corner twice
        self._dress(mesh, emitter(self.bpy, self._image(path)))
        self._shaded = shaded_emitter(self.bpy, self._image(path, raw=True))
        self._plain = mesh.materials[0]
        self.scene.collection.objects.link(data.objects.new("surface", mesh))
        self._surface = (surface, mesh)

    def move(self, vertices: np.ndarray, shade: np.ndarray | None = None) -> None:
        """Place the vertices [V, 3] of the loaded surface, in world units, for the renders that
        follow.

        shade [V], 0 to 1 and linear over each face, multiplies the texture's sRGB bytes, as a
        texture that is painted darker would: 200 under a shade of 0.5 is 100 in the picture.
        Without it they are shown as they are. Raises InputError when no surface is loaded, for
        vertices that its faces do not fit, whose number differs from that of the move before, or
        that are not finite, and for a shade of another shape or outside 0 to 1.
        """
        if self._surface is None:
            raise InputError("surface: there is none to move; call load_surface first")
        surface, mesh = self._surface
        points = surface.placed(vertices)
        if shade is not None:
            values = surface.shaded(shade, len(vertices))
            mesh.attributes[SHADE].data.foreach_set("value", values)
        mesh.materials[0] = self._plain if shade is None else self._shaded
        mesh.vertices.foreach_set("co", points.astype(np.float32).ravel())
        mesh.update()
        surface.count = len(vertices)
        self.points = points

    def render(self, camera: Cameras) -> Frame:
        """The view of one camera (unbatched), of any size and aspect and with its principal point
        anywhere; no skew. Raises ScanError when nothing of the scan is in it."""
        if self._surface is not None and self._surface[0].count is None:
            raise InputError("surface: it has no place yet; call move before render")
        K = camera.K.double().numpy()
        w2c = camera.world_to_camera.double().numpy()
        cropped = self._place_camera(K, w2c, camera.width, camera.height)
        with _quiet():
            self.bpy.ops.render.render()
        rgba = self._read_color()
        layers = self._read_layers()
        hit = (layers["Depth.Z"] > 0) & (layers["Depth.Z"] < MISS)
        covered = rgba[..., 3] > 0
        if not covered.any():
            raise ScanError("the view is blank: no part of the scan is in front of the camera")
        # Samples of a pixel are averaged by Cycles, so the length is below one at edges.
        normal = np.stack([layers[f"Normal.{axis}"] for axis in "XYZ"], -1)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
        return Frame(
            rgba,
            np.where(hit, layers["Depth.Z"], np.float32(0)),
            normal * covered[..., None],
            cropped,
        )

    def _configure(self, samples: int) -> None:
        scene = self.scene
        render = scene.render
        cycles = scene.cycles
        layer = scene.view_layers[0]
        render.engine = "CYCLES"
        cycles.samples = samples
        cycles.seed = 0
        cycles.use_adaptive_sampling = False
        cycles.use_denoising = layer.cycles.use_denoising = False
        cycles.sampling_pattern = "TABULATED_SOBOL"
        cycles.pixel_filter_type = "BOX"  # alpha is the covered area
        for kind in ("max", "diffuse", "glossy", "transmission", "volume", "transparent_max"):
            setattr(cycles, f"{kind}_bounces", 0)
        cycles.use_auto_tile = False
        render.use_persistent_data = True
        render.threads_mode = "AUTO"  # FIXED with one thread leaves a second one spinning
        render.film_transparent = True
        render.resolution_percentage = 100
        render.use_compositing = render.use_sequencer = False
        render.dither_intensity = 0.0
        scene.display_settings.display_device = "sRGB"
        scene.view_settings.view_transform = "Standard"
        scene.view_settings.look = "None"
        scene.view_settings.exposure = 0.0
        scene.view_settings.gamma = 1.0
        layer.use_pass_z = layer.use_pass_normal = True

    def _choose_device(self, wanted: str) -> str:
        preferences = self.bpy.context.preferences.addons["cycles"].preferences
        for backend in GPU_BACKENDS if wanted != "cpu" else ():
            try:
                preferences.compute_device_type = backend
            except TypeError:  # not in this build of Blender
                continue
            preferences.refresh_devices()
            if any(device.type == backend for device in preferences.devices):
                for device in preferences.devices:
                    device.use = device.type == backend  # the list also holds the CPU
                self.scene.cycles.device = "GPU"
                return backend.lower()
        if wanted == "gpu":
            raise InputError(
                "render device: gpu was asked for, but Cycles finds none (OptiX, CUDA); use auto "
                "or cpu"
            )
        preferences.compute_device_type = "NONE"
        self.scene.cycles.device = "CPU"
        return "cpu"

    def _wipe(self) -> None:
        """Free what belongs to the last scan; settings, preferences and the Cycles session stay."""
        self._surface = None
        data = self.bpy.data
        items = [*data.objects, *data.meshes, *data.materials, *data.cameras]
        items += [
            image for image in data.images if image.name not in ("Render Result", "Viewer Node")
        ]
        data.batch_remove(items)

    def _image(self, path: Path, *, raw: bool = False) -> Any:
        """A texture; `raw` keeps its bytes out of the conversion to linear light. Raises
        ScanError.

        It is never one packed into memory: Cycles tells those of two scans apart by their
        addresses, which may be the same.
        """
        image = self.bpy.data.images.load(
            str(readable(path, Path(self._folder.name))), check_existing=not raw
        )
        if not (image.size[0] and image.size[1]):
            raise ScanError(f"{path}: Blender cannot read this image; copy the texture again")
        if raw:
            image.colorspace_settings.name = "Non-Color"
        return image

    def _dress(self, mesh: Any, material: Any) -> None:
        mesh.materials.clear()
        mesh.materials.append(material)
        # scans are dense: the normal of the surface, not of its triangles
        mesh.shade_smooth()

    def _place_camera(self, K: np.ndarray, w2c: np.ndarray, width: int, height: int) -> bool:
        """Set the camera and the render border; true when the scan reaches beyond the image."""
        bpy = self.bpy
        scene = self.scene
        render = self.scene.render
        if scene.camera is None:
            scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
            scene.collection.objects.link(scene.camera)
        lens = scene.camera.data
        fx = K[0, 0]
        fy = K[1, 1]
        cx = K[0, 2]
        cy = K[1, 2]
        render.resolution_x = width
        render.resolution_y = height
        render.pixel_aspect_x, render.pixel_aspect_y = (
            (1.0, fx / fy) if fx >= fy else (fy / fx, 1.0)
        )
        lens.type = "PERSP"
        lens.sensor_fit = "HORIZONTAL"
        lens.sensor_width = SENSOR
        lens.lens_unit = "MILLIMETERS"
        lens.lens = fx * SENSOR / width
        lens.shift_x = (width / 2 - cx) / width
        lens.shift_y = (cy - height / 2) / width * (fx / fy)
        lens.clip_start = NEAR
        lens.clip_end = FAR
        scene.camera.matrix_world = _matrix(np.linalg.inv(w2c) @ np.diag([1.0, -1.0, -1.0, 1.0]))

        border = border_of(self.points, K, w2c, width, height)
        render.use_border = True
        render.use_crop_to_border = False
        render.border_min_x = border.left / width
        render.border_max_x = border.right / width
        render.border_min_y = 1 - border.bottom / height
        render.border_max_y = 1 - border.top / height
        return border.cropped

    def _save(self, name: str, file_format: str, **settings: Any) -> Path:
        """Write the finished render; in background mode a file is the only way to its pixels."""
        path = Path(self._folder.name) / name
        image = self.scene.render.image_settings
        if hasattr(image, "media_type"):  # Blender 5
            image.media_type = "MULTI_LAYER_IMAGE" if "MULTILAYER" in file_format else "IMAGE"
        image.file_format = file_format
        for key, value in settings.items():
            if hasattr(image, key):
                setattr(image, key, value)
        with _quiet():
            self.bpy.data.images["Render Result"].save_render(str(path))
        return path

    def _read_color(self) -> np.ndarray:
        from PIL import Image

        path = self._save("color.png", "PNG", color_mode="RGBA", color_depth="8", compression=0)
        with Image.open(path) as image:
            rgba = np.array(image)
        path.unlink()
        return rgba

    def _read_layers(self) -> dict[str, np.ndarray]:
        """The passes as float32 [H, W], named `Depth.Z`, `Normal.X`, …"""
        path = self._save(
            "layers.exr",
            "OPEN_EXR_MULTILAYER",
            color_depth="32",
            exr_codec="NONE",
            use_exr_interleave=True,
        )
        bundled = str(
            Path(self.bpy.utils.resource_path("LOCAL")) / "python/lib/python3.11/site-packages"
        )
        if bundled not in sys.path:
            sys.path.append(bundled)  # last: only what is not installed comes from there
        import OpenImageIO

        file = OpenImageIO.ImageInput.open(str(path))
        layers: dict[str, np.ndarray] = {}
        part = 0
        while file.seek_subimage(part, 0):  # one part in Blender 4, one for each pass in 5
            names = file.spec().channelnames
            pixels = file.read_image(part, 0, 0, len(names), "float")
            layers |= {
                ".".join(name.split(".")[-2:]): pixels[..., i] for i, name in enumerate(names)
            }
            part += 1
        file.close()
        path.unlink()
        return layers


def _import_bpy() -> Any:
    """Import bpy with its thread pool sized for one core, wherever this process may run.

    The pool takes its size from the cores it may use at import; on one core nothing waits for a
    second thread, and the way to more speed is more processes. The pixels do not depend on it.
    """
    if "bpy" in sys.modules:
        return sys.modules["bpy"]
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if cores:
        os.sched_setaffinity(0, {min(cores)})
    try:
        if (spec := find_spec("bpy")) is not None and spec.origin is not None:
            check_blender_place(Path(spec.origin))
        with _quiet():
            import bpy
    except ImportError as error:
        from hgm.errors import MissingDependency

        raise explain(error) or MissingDependency(
            f"bpy: {error}; install it with: pip install 'bpy>=4.5,<5.1'"
        ) from None
    finally:
        if cores:
            for thread in os.listdir("/proc/self/task"):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread), cores)
    return bpy


def _matrix(array: np.ndarray) -> Any:
    from mathutils import Matrix

    return Matrix(array.tolist())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send the standard output of the process nowhere while the block runs: Blender prints from
    C."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
