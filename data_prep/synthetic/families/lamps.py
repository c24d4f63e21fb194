"""Lamps that stand or hang."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def _shade(s: Sketch, kind: str, radius: float, height: float, z: float) -> None:
    """A shade with an open bottom at height `z`."""
    wall = 0.01
    if kind == "cone":
        s.lathe(
            "shade", ((radius, 0), (0.4 * radius, height), (0.4 * radius - wall, height), (radius - wall, 0)), (0, 0, z)
        )
        s.has(1, "{cone-shaped|tapered|conical} shade", role="shade")
    elif kind == "drum":
        s.lathe(
            "shade",
            ((0.8 * radius, 0), (0.8 * radius, height), (0.8 * radius - wall, height), (0.8 * radius - wall, 0)),
            (0, 0, z),
        )
        s.has(1, "{drum-shaped|straight round|cylindrical} shade", role="shade")
    elif kind == "globe":
        s.ball("shade", (1.2 * radius, 1.2 * radius, 1.2 * radius), (0, 0, z + 0.5 * radius))
        s.has(1, "{ball-shaped|round|spherical} {shade|globe}", role="shade")
    else:
        arc = [(radius * math.cos(t), 0.9 * radius * math.sin(t)) for t in (0, 0.3, 0.6, 0.9, 1.2, 1.55)]
        s.lathe("shade", [*arc, *[(max(r - wall, 0), max(h - wall, 0)) for r, h in reversed(arc)]], (0, 0, z))
        s.has(1, "{dome-shaped|bell-like|bowl-like} shade", role="shade")


def floor_lamp(a: Attributes) -> Sketch:
    """A shade on top of a tall pole."""
    s, height = Sketch(), a["height"]
    s.rod("pole", (0, 0, 0.02), (0, 0, height), 0.018)
    _shade(s, a["shade"], a["radius"], a["shade height"], height - 0.4 * a["shade height"])
    s.main("{tall thin|long upright|thin upright} {pole|rod}", role="pole")
    s.has(1, "{tall|long|thin} {pole|stem}", role="pole")
    if a["foot"] == "a round foot":
        s.disc("foot", a["foot radius"], 0.04, (0, 0, 0.02))
        s.on(1, "{round|flat} {foot|base}", role="foot")
    else:
        for i in range(3):
            t = 2 * math.pi * i / 3
            at = (1.3 * a["foot radius"] * math.cos(t), 1.3 * a["foot radius"] * math.sin(t), 0.0)
            s.rod("leg", at, (0, 0, 0.3 * height), 0.014)
        s.on(3, "{thin|spread|slanting} leg", role="leg")
    return s


def desk_lamp(a: Attributes) -> Sketch:
    """A shade at the end of a jointed arm on a base."""
    s, low, high = Sketch(), a["lower arm"], a["upper arm"]
    first, second = math.radians(a["lower angle"]), math.radians(a["upper angle"])
    elbow = (0.0, low * math.cos(first), 0.03 + low * math.sin(first))
    tip = (0.0, elbow[1] - high * math.cos(second), elbow[2] + high * math.sin(second))
    if a["base"] == "round base":
        s.disc("base", a["base size"], 0.04, (0, 0, 0.02))
    else:
        s.box("base", (1.8 * a["base size"], 1.8 * a["base size"], 0.04), (0, 0, 0.02))
    s.rod("arm", (0, 0, 0.03), elbow, 0.015)
    s.rod("arm", elbow, tip, 0.015)
    s.ball("joint", (0.06, 0.06, 0.06), elbow)
    s.lathe(
        "shade",
        ((0.12, 0), (0.045, 0.16), (0.035, 0.16), (0.11, 0)),
        (0, tip[1] - 0.05, tip[2] - 0.13),
        (-a["nod"], 0, 0),
    )
    s.main("{bent|angled|jointed} {thin|slim} arm")
    s.has(2, "{thin|slender} {arm|rod}", "{that meet at a joint|joined at an elbow|}", role="arm")
    s.has(1, "{small|tapered|cone-shaped} shade", "{at the end|pointing down|hanging over the front}", role="shade")
    s.on(
        1, f"{'{round|disc-like}' if a['base'] == 'round base' else '{square|flat square}'} {{base|foot}}", role="base"
    )
    return s


def ceiling_lamp(a: Attributes) -> Sketch:
    """A shade hanging from a cord."""
    s, cord = Sketch(), a["cord"]
    _shade(s, a["shade"], a["radius"], a["shade height"], 0.0)
    start = 0.35 * a["shade height"]
    s.rod("cord", (0, 0, start), (0, 0, a["shade height"] + cord), 0.008)
    s.disc("ceiling plate", 0.3 * a["radius"], 0.04, (0, 0, a["shade height"] + cord))
    s.main("{light|shade|lampshade} {hanging|hung} from {above|a cord}")
    s.has(
        1,
        f"{'{long|thin}' if cord > 0.6 else '{short|thin}'} {{cord|rod}}",
        "{going up from the shade|above}",
        role="cord",
    )
    s.has(1, "{small|flat} round plate", "at the {very|} top", role="ceiling plate")
    s.says("{hanging down|hung from the top}")
    return s


_SHADES = ("cone", "drum", "globe", "dome")
FAMILIES = [
    Family(
        "floor lamp",
        floor_lamp,
        {
            "shade": _SHADES,
            "foot": ("a round foot", "three legs"),
            "height": (1.3, 1.9),
            "radius": (0.16, 0.32),
            "shade height": (0.18, 0.36),
            "foot radius": (0.14, 0.24),
        },
        synonym="torchiere",
        pair=("shade", "foot"),
        unseen=(("globe", "three legs"),),
        sentence="a floor lamp with a {shade} shade on {foot}",
    ),
    Family(
        "desk lamp",
        desk_lamp,
        {
            "base": ("round base", "square base"),
            "base size": (0.09, 0.15),
            "lower arm": (0.3, 0.5),
            "upper arm": (0.3, 0.5),
            "lower angle": (50.0, 80.0),
            "upper angle": (5.0, 50.0),
            "nod": (0.0, 35.0),
        },
    ),
    Family(
        "ceiling lamp",
        ceiling_lamp,
        {"shade": _SHADES, "radius": (0.2, 0.4), "shade height": (0.2, 0.35), "cord": (0.35, 0.9)},
        synonym="chandelier",
    ),
]
