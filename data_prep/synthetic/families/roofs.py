"""Roofs, shared by the buildings."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Sketch


def gable_roof(s: Sketch, role: str, width: float, depth: float, height: float, at: tuple[float, float, float]) -> None:
    """A roof of two slopes with its ridge along x; `at` is the middle of its bottom."""
    outline = ((-depth / 2, 0), (depth / 2, 0), (0, height))
    s.plate(role, outline, width, at, (90, 0, 90))


def hip_roof(s: Sketch, role: str, width: float, depth: float, height: float, at: tuple[float, float, float]) -> None:
    """A roof of four slopes that meet in a point."""
    root = math.sqrt(2)
    steps = [(root / 2, 0.0), (0.0, height)]
    corners = [
        (steps[0][0] * math.cos(t), steps[0][0] * math.sin(t))
        for t in (math.pi / 4 + i * math.pi / 2 for i in range(4))
    ]
    x, y, z = at
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        # One slope as a thin plate: corner, corner, tip.
        low, high = (ax * width, ay * depth), (bx * width, by * depth)
        middle = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2)
        run = math.hypot(*middle)
        span = math.hypot(high[0] - low[0], high[1] - low[1])
        slope = math.hypot(run, height)
        outline = ((-span / 2, 0), (span / 2, 0), (0, slope))
        angle = math.degrees(math.atan2(middle[1], middle[0])) + 90
        s.plate(
            role, outline, 0.01, (x + middle[0], y + middle[1], z), (math.degrees(math.atan2(height, run)), 0, angle)
        )
