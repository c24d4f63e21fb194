"""The part library: solid primitives as triangles, posed in space, and sampled by area.

Legend: F triangles, K points of an outline, N points of a cloud. Lengths are in arbitrary units (a cloud is normalised
afterwards), angles in degrees, z is up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pc_align.data.io import import_open3d

if TYPE_CHECKING:
    from collections.abc import Sequence

Vector = tuple[float, float, float]
Outline = tuple[tuple[float, float], ...]

_SEGMENTS = 20  # sides of a full turn: round enough at 1,024 points, and few enough to stay fast


@dataclass(frozen=True)
class Part:
    """One primitive in its place.

    `kind` is one of KINDS, scaled by `size`, turned about x, then y, then z by `rotation` (degrees), and moved to
    `position`. `outline` holds (radius, height) pairs for a lathe and (x, y) pairs for an extrusion; `sweep` is the
    angle of a lathe.
    `role` says what the part is in the whole: "leg", "back", "drawer front".
    """

    kind: str
    role: str
    size: Vector
    position: Vector
    rotation: Vector = (0.0, 0.0, 0.0)
    outline: Outline = ()
    sweep: float = 360.0


@cache
def _unit(kind: str) -> np.ndarray:
    """Triangles [F, 3, 3] of a primitive of size one, centred at the origin, made once by Open3D."""
    create = import_open3d().geometry.TriangleMesh
    if kind == "box":
        mesh = create.create_box(1.0, 1.0, 1.0).translate((-0.5, -0.5, -0.5))
    elif kind == "cylinder":
        mesh = create.create_cylinder(radius=0.5, height=1.0, resolution=_SEGMENTS, split=1)
    elif kind == "cone":
        mesh = create.create_cone(radius=0.5, height=1.0, resolution=_SEGMENTS, split=1).translate((0, 0, -0.5))
    elif kind == "sphere":
        mesh = create.create_sphere(radius=0.5, resolution=_SEGMENTS // 2)
    else:
        raise ValueError(f"unknown kind of part {kind!r}; known: {', '.join(KINDS)}")
    return np.asarray(mesh.vertices, dtype=np.float32)[np.asarray(mesh.triangles)]


KINDS = ("box", "cylinder", "cone", "sphere", "lathe", "extrusion")


def _lathe(outline: Outline, sweep: float) -> np.ndarray:
    """An outline [K, 2] of (radius, height) swept about z -> triangles [F, 3, 3]; a partial sweep gets flat ends."""
    full = sweep >= 360.0
    steps = _SEGMENTS if full else max(3, math.ceil(_SEGMENTS * sweep / 360.0))
    angles = np.linspace(0.0, math.radians(sweep), steps + 1, dtype=np.float32)
    profile = np.asarray(outline, dtype=np.float32)
    ring = np.empty((len(profile), steps + 1, 3), dtype=np.float32)
    ring[..., 0] = profile[:, :1] * np.cos(angles)
    ring[..., 1] = profile[:, :1] * np.sin(angles)
    ring[..., 2] = profile[:, 1:]
    low, high = ring[:-1], ring[1:]
    first = np.stack((low[:, :-1], low[:, 1:], high[:, 1:]), axis=2).reshape(-1, 3, 3)
    second = np.stack((low[:, :-1], high[:, 1:], high[:, :-1]), axis=2).reshape(-1, 3, 3)
    sides = [first, second]
    if not full:
        sides += [_fan(ring[:, 0]), _fan(ring[::-1, -1])]
    return np.concatenate(sides)


def _fan(loop: np.ndarray) -> np.ndarray:
    """A closed loop [K, 3] filled from its mean -> triangles [K, 3, 3]; the loop must be star-shaped about it."""
    centre = np.broadcast_to(loop.mean(axis=0), loop.shape)
    return np.stack((centre, loop, np.roll(loop, -1, axis=0)), axis=1)


def _extrusion(outline: Outline) -> np.ndarray:
    """An outline [K, 2] of (x, y), counter-clockwise, thickened from z = -0.5 to 0.5 -> triangles [F, 3, 3]."""
    flat = np.asarray(outline, dtype=np.float32)
    half = np.full((len(flat), 1), 0.5, dtype=np.float32)
    low, high = np.hstack((flat, -half)), np.hstack((flat, half))
    low_next, high_next = np.roll(low, -1, axis=0), np.roll(high, -1, axis=0)
    sides = (np.stack((low, low_next, high_next), axis=1), np.stack((low, high_next, high), axis=1))
    return np.concatenate((*sides, _fan(low[::-1]), _fan(high)))


def rotation_matrix(rotation: Vector) -> np.ndarray:
    """Angles in degrees about x, then y, then z -> matrix [3, 3] that turns column vectors."""
    (cx, cy, cz), (sx, sy, sz) = ([f(math.radians(angle)) for angle in rotation] for f in (math.cos, math.sin))
    return np.array(
        [
            [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
            [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
            [-sy, sx * cy, cx * cy],
        ],
        dtype=np.float32,
    )


def part_triangles(part: Part) -> np.ndarray:
    """Triangles [F, 3, 3] of one part in its place."""
    if part.kind == "lathe":
        unit = _lathe(part.outline, part.sweep)
    elif part.kind == "extrusion":
        unit = _extrusion(part.outline)
    else:
        unit = _unit(part.kind)
    scaled = unit * np.asarray(part.size, dtype=np.float32)
    if any(part.rotation):
        scaled = scaled @ rotation_matrix(part.rotation).T
    return scaled + np.asarray(part.position, dtype=np.float32)


def triangles(parts: Sequence[Part]) -> np.ndarray:
    """Triangles [F, 3, 3] of all parts."""
    return np.concatenate([part_triangles(part) for part in parts])


def sample_triangles(faces: np.ndarray, num_points: int, rng: np.random.Generator) -> np.ndarray:
    """Points [N, 3] float32 spread over triangles [F, 3, 3] in proportion to their area."""
    origin = faces[:, 0]
    first, second = faces[:, 1] - origin, faces[:, 2] - origin
    # The Gram determinant is the squared doubled area, and cheaper here than np.cross.
    dot = np.einsum
    gram = dot("fi,fi->f", first, first) * dot("fi,fi->f", second, second) - dot("fi,fi->f", first, second) ** 2
    cumulative = np.cumsum(np.sqrt(np.maximum(gram, 0.0), dtype=np.float64))
    chosen = np.searchsorted(cumulative, rng.random(num_points) * cumulative[-1])
    chosen = np.minimum(chosen, len(faces) - 1)
    along = rng.random((2, num_points, 1), dtype=np.float32)
    along = np.where(along.sum(axis=0) > 1.0, 1.0 - along, along)  # fold the far half of the parallelogram back
    return origin[chosen] + along[0] * first[chosen] + along[1] * second[chosen]


def to_mesh(faces: np.ndarray) -> Any:
    """Triangles [F, 3, 3] -> open3d TriangleMesh without slivers, for writing files."""
    open3d = import_open3d()
    mesh = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(faces.reshape(-1, 3).astype(np.float64)),
        open3d.utility.Vector3iVector(np.arange(faces.shape[0] * 3, dtype=np.int32).reshape(-1, 3)),
    )
    mesh.merge_close_vertices(1e-6).remove_degenerate_triangles()
    return mesh
