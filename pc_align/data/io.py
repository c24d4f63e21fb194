"""Files -> float32 clouds. Every failure is one PointCloudReadError that names the file and the reason.

The frame of the toolkit is right-handed with z up; `read_points` turns what it reads into that frame.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pc_align.data.transforms import UpAxis, turn_up_axis
from pc_align.errors import PointCloudReadError

Floats = NDArray[np.float32]

MESH_SUFFIXES = (".off", ".obj", ".ply", ".stl", ".glb", ".gltf")
CLOUD_SUFFIXES = (".ply", ".pcd", ".xyz", ".pts", ".txt", ".npy")
SUFFIXES = tuple(dict.fromkeys(MESH_SUFFIXES + CLOUD_SUFFIXES))
# glTF's specification puts y up; most CAD and scan files put z up.
Y_UP_SUFFIXES = (".glb", ".gltf")


class Mesh(NamedTuple):
    """vertices [V, 3] float64; triangles [F, 3] int64, possibly none."""

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]


def import_open3d() -> ModuleType:
    """open3d, also on a machine without libusb-1.0, which its wheel links to but does not bring.

    Raises:
        ImportError: with the remedy, where open3d cannot be loaded.
    """
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError):
            import libusb_package

            # RTLD_GLOBAL: the loader then takes this copy for the missing libusb-1.0.so.0 of open3d.
            ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise ImportError(f"open3d does not load ({error}); pip install open3d libusb-package") from error
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    return open3d


def read_points(
    path: str | Path,
    num_points: int | None = 1024,
    *,
    up_axis: UpAxis | None = None,
    seed: int = 0,
) -> Floats:
    """A mesh or a point cloud as points, in the toolkit's frame (z up), at the file's own position and scale.

    Meshes are sampled uniformly by area. Clouds with more than `num_points` points are subsampled at random, smaller
    ones are returned whole. `PointTextModel.encode_points` centres and scales.

    Args:
        path: .off .obj .ply .stl .glb .gltf (meshes), .ply .pcd .xyz .pts .txt .npy (clouds).
        num_points: N, at least 1; None keeps all points of a cloud and the vertices of a mesh.
        up_axis: the axis that points up in the file, "x", "y" or "z"; by default y for glTF and z for all others.
        seed: of the sampling; the same file and seed give the same points.

    Returns:
        [N, 3] float32, finite.

    Raises:
        PointCloudReadError: the file is missing, empty, broken, of another kind, or holds NaN or infinite numbers.
        ValueError: num_points below 1.
    """
    if num_points is not None and num_points < 1:
        raise ValueError(f"num_points must be at least 1, not {num_points}")
    path = Path(path)
    check_file(path)
    rng = np.random.default_rng(seed)
    vertices, triangles = _read(path)
    if not len(vertices):
        raise PointCloudReadError(path, "holds no points; is it empty, truncated or of another format?")
    if not np.isfinite(vertices).all():
        bad = int((~np.isfinite(vertices).all(axis=1)).sum())
        raise PointCloudReadError(path, f"{bad} of {len(vertices)} points are NaN or infinite; remove them first")
    if len(triangles) and num_points is not None:
        if triangles.min() < 0 or triangles.max() >= len(vertices):
            raise PointCloudReadError(path, f"a face names vertex {triangles.max()} of only {len(vertices)}")
        try:
            points = sample_surface(vertices, triangles, num_points, rng)
        except ValueError as error:
            raise PointCloudReadError(path, str(error)) from None
    elif num_points is not None and len(vertices) > num_points:
        points = vertices[rng.choice(len(vertices), num_points, replace=False)]
    else:
        points = vertices
    up_axis = up_axis or ("y" if path.suffix.lower() in Y_UP_SUFFIXES else "z")
    return np.ascontiguousarray(turn_up_axis(points, up_axis, "z"), dtype=np.float32)


def sample_surface(
    vertices: NDArray[np.float64], triangles: NDArray[np.int64], num_points: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Points drawn uniformly by area from a triangle mesh.

    Args:
        vertices: [V, 3].
        triangles: [F, 3] indices into vertices.
        num_points: N.

    Returns:
        [N, 3].

    Raises:
        ValueError: the surface has no area.
    """
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    cumulative = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    if not len(cumulative) or not np.isfinite(cumulative[-1]) or cumulative[-1] <= 0:
        raise ValueError("the mesh has no surface: all its faces are flat to a point or a line")
    face = np.searchsorted(cumulative, rng.random(num_points) * cumulative[-1], side="right").clip(max=len(a) - 1)
    # Folding the unit square along its diagonal keeps the density uniform inside the triangle.
    u, v = rng.random((2, num_points, 1))
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    return a[face] + u * (b - a)[face] + v * (c - a)[face]


def check_file(path: Path) -> None:
    """Raises PointCloudReadError unless path is a regular, non-empty file of a kind that can be read."""
    try:
        status = path.stat()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error))
        raise PointCloudReadError(path, reason) from None
    if not stat.S_ISREG(status.st_mode):
        raise PointCloudReadError(path, "not a regular file; name a mesh or cloud file")
    if path.suffix.lower() not in SUFFIXES:
        raise PointCloudReadError(path, f"unknown kind {path.suffix!r}; known: {' '.join(SUFFIXES)}")
    if status.st_size == 0:
        raise PointCloudReadError(path, "the file is empty (0 bytes)")


def _read(path: Path) -> Mesh:
    suffix = path.suffix.lower()
    try:
        if suffix == ".off":
            return _read_off(path)
        if suffix in (".xyz", ".pts", ".txt"):
            return Mesh(_read_text(path), np.empty((0, 3), dtype=np.int64))
        if suffix == ".npy":
            # allow_pickle stays off: a pickled array can run code.
            return Mesh(_as_cloud(np.load(path, allow_pickle=False)), np.empty((0, 3), dtype=np.int64))
        return _read_open3d(path)
    except PointCloudReadError:
        raise
    except (ValueError, IndexError, OSError, EOFError, RuntimeError, MemoryError) as error:
        raise PointCloudReadError(path, f"cannot be read as {suffix}: {str(error).splitlines()[0]}") from None


def _read_off(path: Path) -> Mesh:
    """OFF, also with ModelNet's header glued to the counts ("OFF490 518 0"), comments, blank lines and colours."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [stripped for line in text.splitlines() if (stripped := line.split("#", 1)[0].strip())]
    # COFF, NOFF and STOFF put colours, normals or texture coordinates behind each vertex.
    header = re.match(r"(ST)?C?N?OFF", lines[0], re.IGNORECASE) if lines else None
    if header is None:
        raise ValueError(f"an OFF file starts with the word OFF, this one with {' '.join(lines)[:20]!r}")
    lines[0] = lines[0][header.end() :].strip()
    lines = lines if lines[0] else lines[1:]
    num_vertices, num_faces = (int(number) for number in lines[0].split()[:2])
    if num_vertices < 0 or num_faces < 0 or num_vertices + num_faces > len(lines) - 1:
        raise ValueError(f"its header promises {num_vertices} vertices and {num_faces} faces, more than the file holds")
    vertices = [line.split()[:3] for line in lines[1 : 1 + num_vertices]]
    triangles = []
    for line in lines[1 + num_vertices : 1 + num_vertices + num_faces]:
        corners, *numbers = line.split()  # what follows the corners is a colour
        face = [int(number) for number in numbers[: int(corners)]]
        if len(face) != int(corners):
            raise ValueError(f"a face of {corners} corners names only {len(face)}")
        triangles += [(face[0], face[i], face[i + 1]) for i in range(1, len(face) - 1)]
    return Mesh(np.array(vertices, dtype=np.float64).reshape(-1, 3), np.array(triangles, dtype=np.int64).reshape(-1, 3))


def _read_text(path: Path) -> NDArray[np.float64]:
    text = path.read_text(encoding="utf-8", errors="replace").replace(",", " ").splitlines()
    rows = [line.split() for line in text if line.strip() and not line.lstrip().startswith(("#", "//"))]
    if rows and len(rows[0]) == 1:  # .pts files begin with the number of points
        rows = rows[1:]
    return _as_cloud(np.array(rows, dtype=np.float64))


def _as_cloud(array: NDArray[np.float64]) -> NDArray[np.float64]:
    if array.ndim != 2 or array.shape[1] < 3 or not np.issubdtype(array.dtype, np.number):
        raise ValueError(f"expected rows of x y z, got an array of shape {array.shape} and type {array.dtype}")
    return array[:, :3].astype(np.float64)


def _read_open3d(path: Path) -> Mesh:
    open3d = import_open3d()
    with _silence_stderr():  # open3d warns on stderr and returns nothing; the caller gets an error instead
        mesh = open3d.io.read_triangle_mesh(str(path)) if path.suffix.lower() in MESH_SUFFIXES else None
        if mesh is not None and len(mesh.triangles):
            return Mesh(np.asarray(mesh.vertices), np.asarray(mesh.triangles).astype(np.int64))
        if path.suffix.lower() in CLOUD_SUFFIXES:
            cloud = open3d.io.read_point_cloud(str(path))
            return Mesh(np.asarray(cloud.points), np.empty((0, 3), dtype=np.int64))
    vertices = np.asarray(mesh.vertices) if mesh is not None else np.empty((0, 3))
    return Mesh(vertices, np.empty((0, 3), dtype=np.int64))


@contextlib.contextmanager
def _silence_stderr() -> Iterator[None]:
    """Sends the process's stderr to nowhere: open3d's readers write there from C++."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
