"""What the turned vessels share: smooth profiles, side handles and words for an open top."""

from __future__ import annotations

import math
from itertools import pairwise

from data_prep.synthetic.sketch import Sketch

OPEN = "{open at the top|open on top|hollow and open}"
Profile = list[tuple[float, float]]


def curve(points: Profile, steps: int = 9) -> Profile:
    """A smooth profile through (radius, height) points, by cosine steps between them."""
    curve = []
    for (r0, z0), (r1, z1) in pairwise(points):
        for i in range(max(2, steps // (len(points) - 1))):
            t = i / max(2, steps // (len(points) - 1))
            curve.append((r0 + (r1 - r0) * (1 - math.cos(math.pi * t)) / 2, z0 + (z1 - z0) * t))
    return [*curve, points[-1]]


def side_handle(s: Sketch, x: float, low: float, high: float, out: float, tube: float, side: int = 1) -> None:
    """A bent bar beside the body, from height `low` to `high`, reaching `out` beyond `x`."""
    middle, half = (low + high) / 2, (high - low) / 2
    s.ring("handle", half, tube, (side * x, 0, middle), (90, 90 * side, 0), 180.0, (1, out / half))
