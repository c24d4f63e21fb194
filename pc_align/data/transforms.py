"""Pure functions on clouds: normalisation, frames, augmentation. Randomness comes in as a numpy Generator.

Shapes: N points, C channels, xyz first. Every function returns a new array; channels after xyz move with their points.
The constants of the augmentations are the ones common to the field (see docs/data_format.md).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
UpAxis = Literal["x", "y", "z"]
_ORDER = {"x": 0, "y": 1, "z": 2}


def normalize(points: Floats) -> Floats:
    """Centre at the mean and divide by the largest distance from it, so that the cloud fills the unit sphere.

    Args:
        points: [N, C], N at least 1. Points that all coincide become zeros.
    """
    xyz = points[:, :3].astype(np.float64)
    xyz = xyz - xyz.mean(axis=0)
    radius = np.linalg.norm(xyz, axis=1).max()
    xyz = xyz / radius if radius > 1e-6 else np.zeros_like(xyz)
    return np.concatenate([xyz, points[:, 3:]], axis=1).astype(points.dtype)


def turn_up_axis(points: Floats, source: UpAxis, target: UpAxis) -> Floats:
    """Rotate so that the axis `source` becomes the axis `target`.

    A cyclic change of axes: a proper rotation, which does not mirror the shape as swapping two axes would.

    Args:
        points: [N, C].

    Raises:
        ValueError: an axis other than "x", "y" or "z".
    """
    if source not in _ORDER or target not in _ORDER:
        raise ValueError(f"an up axis is 'x', 'y' or 'z', not {source!r} or {target!r}")
    shift = _ORDER[target] - _ORDER[source]
    return np.concatenate([np.roll(points[:, :3], shift, axis=1), points[:, 3:]], axis=1)


def choose_points(points: Floats, num_points: int, rng: np.random.Generator) -> Floats:
    """A random subset of `num_points` points; a smaller cloud is filled up by repeating points.

    Args:
        points: [N, C], N at least 1.
        num_points: at least 1.
    """
    if len(points) >= num_points:
        return points[rng.permutation(len(points))[:num_points]]
    return np.concatenate([points, points[rng.integers(len(points), size=num_points - len(points))]])


def drop_points(points: Floats, max_ratio: float, rng: np.random.Generator) -> Floats:
    """Random point dropout: a share U(0, max_ratio) of the points is moved onto the first one; N stays."""
    dropped = rng.random(len(points)) < rng.uniform(0, max_ratio)
    return np.where(dropped[:, None], points[:1], points)


def scale(points: Floats, low: float, high: float, rng: np.random.Generator) -> Floats:
    """Multiply xyz by one factor U(low, high)."""
    return _with_xyz(points, points[:, :3] * rng.uniform(low, high))


def shift(points: Floats, limit: float, rng: np.random.Generator) -> Floats:
    """Move xyz by U(-limit, limit) along each axis."""
    return _with_xyz(points, points[:, :3] + rng.uniform(-limit, limit, size=3))


def jitter(points: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """Add N(0, sigma) to every coordinate, clipped at 2.5 sigma."""
    noise = rng.normal(0, sigma, size=(len(points), 3)).clip(-2.5 * sigma, 2.5 * sigma)
    return _with_xyz(points, points[:, :3] + noise)


def turn(points: Floats, max_degrees: float, rng: np.random.Generator, up_axis: UpAxis = "z") -> Floats:
    """Rotate about the up axis by U(-max_degrees, max_degrees); 180 is any direction."""
    return _rotate(points, np.deg2rad(rng.uniform(-max_degrees, max_degrees)), _ORDER[up_axis])


def tilt(points: Floats, sigma: float, limit: float, rng: np.random.Generator) -> Floats:
    """Rotate about each axis in turn by N(0, sigma) clipped at limit, in radians."""
    for axis, angle in enumerate(rng.normal(0, sigma, size=3).clip(-limit, limit)):
        points = _rotate(points, angle, axis)
    return points


def _rotate(points: Floats, angle: float, axis: int) -> Floats:
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return _with_xyz(points, points[:, :3] @ matrix.T)


def _with_xyz(points: Floats, xyz: Floats) -> Floats:
    return np.concatenate([xyz, points[:, 3:]], axis=1).astype(points.dtype)
