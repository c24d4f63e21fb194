"""Solids piled up, and solids in stated relations."""

from __future__ import annotations

from data_prep.synthetic.parts import Vector
from data_prep.synthetic.sketch import Attributes, Family, Sketch

_SIZES = {"ball": (0.7, 0.7, 0.7), "box": (0.7, 0.7, 0.6), "cylinder": (0.6, 0.6, 0.7), "cone": (0.7, 0.7, 0.7)}

_SOLIDS = ("ball", "box", "cylinder", "cone")


def stack(a: Attributes) -> Sketch:
    """Blocks piled up."""
    s, count, z = Sketch(), a["blocks"], 0.0
    for i in range(count):
        t = i / (count - 1)
        size = {
            "shrinking towards the top": 1 - 0.6 * t,
            "growing towards the top": 0.4 + 0.6 * t,
            "of equal width": 0.8,
        }[a["order"]]
        high = a["layer"] * (0.7 + 0.6 * ((i * 7 + count) % 3) / 2)
        x = a["shift"] * (1 if i % 2 else -1) * size * 0.3
        if a["form"] == "boxes":
            s.box("block", (size, size * a["ratio"], high), (x, 0, z + high / 2), (0, 0, a["twist"] * i))
        else:
            s.disc("block", 0.5 * size, high, (x, 0, z + high / 2))
        z += high
    kind = "{box|block}" if a["form"] == "boxes" else "{disc|drum|round slab}"
    s.main(f"{{pile|heap}} of {'{boxes|blocks}' if a['form'] == 'boxes' else '{discs|round slabs}'}")
    s.has(count, kind, "{one on top of the other|piled up}", role="block")
    s.says(
        {
            "shrinking towards the top": "{getting smaller towards the top|widest at the bottom}",
            "growing towards the top": "{getting larger towards the top|widest at the top}",
            "of equal width": "{of equal width throughout|as wide above as below}",
        }[a["order"]]
    )
    if a["form"] == "boxes" and a["twist"] > 8:
        s.says("{twisted|turned from layer to layer}")
    return s


def _size(kind: str, scale: float, stretch: float) -> Vector:
    """The size of a solid; a ball is not stretched, since an egg is no ball."""
    x, y, z = _SIZES[kind]
    return x * scale, y * scale, z * scale * (1.0 if kind == "ball" else stretch)


def _solid(s: Sketch, kind: str, role: str, size: Vector, at: Vector) -> None:
    """One of the solids in _SIZES, its middle at `at`."""
    if kind == "ball":
        s.ball(role, size, at)
    elif kind == "box":
        s.box(role, size, at)
    elif kind == "cylinder":
        s.disc(role, size[0] / 2, size[2], at)
    else:
        s.frustum(role, size[0] / 2, 0.005, size[2], (at[0], at[1], at[2] - size[2] / 2))


def assembly(a: Attributes) -> Sketch:
    """Two solids in a stated relation."""
    s, first, second, scale, gap = Sketch(), a["first"], a["second"], a["scale"], a.get("gap", 0.0)
    lower, upper = _size(second, 1.0, a["stretch"]), _size(first, scale, a["stretch"])
    tall, other, half, reach = lower[2], upper[2], lower[0] / 2, upper[0] / 2
    # The tip of a cone carries nothing: what stands on it reaches down over the tip.
    sink = 0.3 * tall if second == "cone" else 0.04
    places = {
        "on top of": (0.0, 0.0, tall / 2 + other / 2 - sink),
        "beside": (half + reach + gap, 0.0, (other - tall) / 2),
        "in front of": (0.0, -half - reach - gap, (other - tall) / 2),
    }
    _solid(s, second, "second solid", lower, (0, 0, 0))
    _solid(s, first, "first solid", upper, places[a["relation"]])
    size = "{small|little}" if scale < 0.75 else "{large|big}" if scale > 1.15 else ""
    s.main("{pair|group} of {two solids|solids}")
    s.has(None, f"a {size} {first} {a['relation']} a {second}")
    if a["relation"] != "on top of":
        s.says("{separate|not touching|apart}" if gap > 0.15 else "{close together|close to each other}")
    return s


FAMILIES = [
    Family(
        "stack",
        stack,
        {
            "form": ("boxes", "discs"),
            "blocks": (3, 4, 5),
            "order": ("shrinking towards the top", "growing towards the top", "of equal width"),
            "layer": (0.15, 0.35),
            "shift": (0.0, 0.4),
            "ratio": (0.7, 1.0),
            "twist": (0.0, 25.0),
        },
        pair=("form", "order"),
        unseen=(("discs", "growing towards the top"),),
        sentence="a stack of {form}, {order}",
    ),
    Family(
        "stacked pair",
        assembly,
        {
            "first": _SOLIDS,
            "second": _SOLIDS,
            "relation": ("on top of",),
            "scale": (0.55, 1.35),
            "stretch": (0.8, 1.4),
        },
        pair=("first", "second"),
        unseen=(("ball", "box"), ("cone", "cylinder")),
        sentence="a {first} on top of a {second}",
    ),
    Family(
        "separate pair",
        assembly,
        {
            "first": _SOLIDS,
            "second": _SOLIDS,
            "relation": ("beside", "in front of"),
            "scale": (0.55, 1.35),
            "stretch": (0.8, 1.4),
            "gap": (0.02, 0.4),
        },
    ),
]
