"""Tables and desks. The front looks towards -y."""

from __future__ import annotations

from data_prep.synthetic.families.supports import stand
from data_prep.synthetic.sketch import Attributes, Family, Sketch


def table(a: Attributes) -> Sketch:
    """A top, wider than it is high, on a support."""
    s, width, height, thickness = Sketch(), a["width"], a["height"], a["thickness"]
    depth = width * (1.0 if a["top"] in ("round", "square") else a["ratio"])
    s.slab("top", a["top"], (width, depth, thickness), (0, 0, height + thickness / 2))
    inside = 0.72 if a["top"] in ("round", "oval") else 0.96
    thick = "thick" if thickness > 0.06 else "thin" if thickness < 0.035 else "flat"
    s.main(f"{thick} {a['top']} {{top|board|slab}}", role="top")
    s.has(1, f"{thick} {a['top']} {{top|tabletop}}", role="top")
    stand(s, a["support"], inside * width, inside * depth, height, a["leg"], a["splay"])
    if a["shelf"] == "shelf" and a["support"] == "four legs":
        s.box("lower shelf", (0.8 * inside * width, 0.8 * inside * depth, 0.03), (0, 0, 0.3 * height))
        s.has(1, "lower {shelf|board}", "{between the legs|under the top|}", role="lower shelf")
    if height < 0.5 * width:
        s.overall.append("{low|short-legged}")
    return s


def _drawer_block(s: Sketch, x: float, width: float, depth: float, top: float, drawers: int, role: str) -> None:
    """A block of drawers from the floor to `top`; the fronts stand proud so that gaps show."""
    s.box("block", (width, depth, 0.96 * top), (x, 0, 0.52 * top))
    each = 0.92 * top / drawers
    for i in range(drawers):
        z = 0.06 * top + each * (i + 0.5)
        s.box(role, (0.92 * width, 0.05, 0.84 * each), (x, -depth / 2 - 0.025, z))
        s.box("handle", (0.3 * width, 0.04, 0.02), (x, -depth / 2 - 0.065, z))


def desk(a: Attributes) -> Sketch:
    """A top over one or two blocks of drawers, with room for the knees."""
    s, width, depth, height, block = Sketch(), a["width"], a["depth"], a["height"], a["block"]
    s.box("top", (width, depth, 0.045), (0, 0, height + 0.02))
    s.main("{wide|long|flat} {rectangular|} {work top|top|board}", role="top")
    s.has(1, "{flat|wide} {work top|writing surface|top}", role="top")
    sides = (-1, 1) if a["blocks"] == 2 else ((-1,) if a["side"] == "left" else (1,))
    for x in sides:
        _drawer_block(s, x * (width / 2 - block / 2 - 0.02), block, 0.9 * depth, height, a["drawers"], "drawer front")
    where = "{on both sides|left and right of the knee room}" if a["blocks"] == 2 else "{on one side|at one end}"
    s.has(a["blocks"], "{block of drawers|stack of drawers|drawer unit}", where)
    s.has(a["drawers"] * a["blocks"], "drawer", role="drawer front")
    if a["blocks"] == 1:
        end = -sides[0] * (width / 2 - 0.04)
        if a["other end"] == "legs":
            for y in (-0.42 * depth, 0.42 * depth):
                s.rod("leg", (end, y, 0), (end, y, height), 0.03, square=True)
            s.has(2, "{straight|} leg", "at the other end", role="leg")
        else:
            s.box("side panel", (0.04, 0.9 * depth, height), (end, 0, height / 2))
            s.has(1, "{solid|closed} {side panel|board}", "at the other end", role="side panel")
    if a["back panel"] == "back panel":
        s.box("back panel", (0.92 * width, 0.03, 0.6 * height), (0, 0.42 * depth, 0.68 * height))
        s.has(1, "{closed back|panel behind the knees}", role="back panel")
    return s


_TOPS = ("round", "square", "rectangular", "oval")
_STANDS = ("four legs", "one central column", "two crossed trestles", "two side panels")
FAMILIES = [
    Family(
        "table",
        table,
        {
            "top": _TOPS,
            "support": _STANDS,
            "shelf": ("shelf", "no shelf"),
            "width": (0.9, 1.8),
            "ratio": (0.45, 0.7),
            "height": (0.35, 0.8),
            "thickness": (0.02, 0.08),
            "leg": (0.02, 0.045),
            "splay": (0.0, 0.15),
        },
        pair=("top", "support"),
        unseen=(("round", "four legs"), ("oval", "two side panels")),
        sentence="a table with a {top} top on {support}",
    ),
    Family(
        "desk",
        desk,
        {
            "blocks": (1, 2),
            "drawers": (2, 3, 4),
            "other end": ("legs", "panel"),
            "back panel": ("back panel", "no back panel"),
            "side": ("left", "right"),
            "width": (1.2, 1.7),
            "depth": (0.5, 0.75),
            "height": (0.62, 0.78),
            "block": (0.32, 0.42),
        },
        synonym="bureau",
    ),
]
