"""Panels that stand up. The front looks towards -y."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def screen(a: Attributes) -> Sketch:
    """A flat panel held up by a neck on a foot."""
    s, width, height, neck, thick = Sketch(), a["width"], a["width"] * a["ratio"], a["neck"], a["thickness"]
    middle = neck + height / 2
    s.box("panel", (width, thick, height), (0, 0, middle), (-a["tilt"], 0, 0))
    s.box("rim", (0.5 * width, 0.05, 0.5 * height), (0, thick / 2 + 0.025, middle), (-a["tilt"], 0, 0))
    s.main("{thin|flat} {wide|broad|rectangular} panel" if a["ratio"] < 0.8 else "{thin|flat} {tall|upright} panel")
    foot, depth = a["foot"], 0.28
    if foot in ("round foot", "square foot"):
        s.rod("neck", (0, 0.03, 0.01), (0, 0.03, middle), 0.035)
        if foot == "round foot":
            s.disc("foot", 0.19, 0.025, (0, 0, 0.0125))
        else:
            s.box("foot", (0.4, depth, 0.025), (0, 0, 0.0125))
        text = (
            "{round foot|round base|disc as a foot}"
            if foot == "round foot"
            else "{rectangular|flat square} {foot|base}"
        )
        s.on(1, text, "{with a thin neck|by a short neck|}", role="foot")
    elif foot == "two feet":
        for x in (-0.36 * width, 0.36 * width):
            s.rod("foot", (x, -depth / 2, 0.01), (x, 0, neck + 0.03), 0.016)
            s.rod("foot brace", (x, depth / 2, 0.01), (x, 0, neck + 0.03), 0.016)
        s.on(2, "{spread|splayed|v-shaped} foot", "{one near each end|at the ends|}", role="foot")
    else:
        s.rod("neck", (0, 0.04, 0.04), (0, 0.04, middle), 0.025)
        for x in (-1, 1):
            s.rod("foot", (0, 0.06, 0.05), (x * 0.25, -0.16, 0.015), 0.018)
        s.rod("foot", (0, 0.02, 0.05), (0, 0.2, 0.015), 0.018)
        s.on(3, "{slanting|spread|thin} foot", "{under a thin neck|}", role="foot")
    if a["tilt"] > 8:
        s.says("tilted {backwards|back}")
    s.says("{facing forwards|upright}" if a["tilt"] < 4 else "{turned towards the front|facing forwards}")
    return s


def laptop(a: Attributes) -> Sketch:
    """Two thin plates that meet at a hinge."""
    s, width, depth, thick, angle = Sketch(), a["width"], a["depth"], a["thickness"], math.radians(a["opening"])
    s.box("keyboard plate", (width, depth, thick), (0, 0, thick / 2))
    high = 0.96 * depth
    y, z = depth / 2 - math.cos(angle) * high / 2, thick + math.sin(angle) * high / 2
    s.box(
        "lid",
        (width, 0.6 * thick, high),
        (0, y, z),
        (a["opening"] - 90 if a["opening"] < 90 else -(a["opening"] - 90), 0, 0),
    )
    s.main("{flat thin|thin rectangular} plate lying down", role="keyboard plate")
    s.has(
        1,
        "{second|upper} thin plate",
        "{hinged at the rear edge|rising from the back edge|joined along one edge}",
        role="lid",
    )
    s.has(2, "{thin|flat} {plate|slab}", "{joined along an edge|that meet at a hinge}")
    rows = a["rows"]
    for i in range(rows):
        s.box("key row", (0.85 * width, 0.09, 0.02), (0, 0.35 * depth - i * 0.14, thick + 0.008))
    s.has(rows, "{raised|} row of keys", role="key row")
    s.says("{opened wide|wide open}" if a["opening"] > 112 else "{open at about a right angle|half open}")
    return s


FAMILIES = [
    Family(
        "screen",
        screen,
        {
            "foot": ("round foot", "square foot", "two feet", "three feet"),
            "ratio": (0.5, 1.2),
            "width": (0.6, 1.1),
            "neck": (0.08, 0.25),
            "thickness": (0.02, 0.07),
            "tilt": (0.0, 14.0),
        },
        synonym="television",
    ),
    Family(
        "laptop",
        laptop,
        {
            "rows": (2, 3, 4),
            "width": (0.9, 1.3),
            "depth": (0.65, 0.85),
            "thickness": (0.02, 0.07),
            "opening": (80.0, 135.0),
        },
        synonym="notebook",
    ),
]
