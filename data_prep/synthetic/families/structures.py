"""Structures to cross and climb. The front looks towards -y."""

from __future__ import annotations

import math
from itertools import pairwise

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def _guard_rails(s: Sketch, length: float, width: float, level: float) -> None:
    """Rails on posts along both edges of a deck."""
    for y in (-width / 2, width / 2):
        s.rod("railing", (-length / 2, y, level + 0.18), (length / 2, y, level + 0.18), 0.018)
        for i in range(7):
            x = length * (i / 6 - 0.5) * 0.98
            s.rod("railing post", (x, y, level), (x, y, level + 0.18), 0.014)
    s.has(2, "{guard rail|thin side rail}", "{along the edges|}", role="railing")


def bridge(a: Attributes) -> Sketch:
    """A deck over arches, on piers, or hung from pylons."""
    s, length, width, high = Sketch(), a["length"], a["width"], a["height"]
    s.box("deck", (length, width, 0.07), (0, 0, high))
    s.main("{long|flat|level} {deck|roadway}", role="deck")
    s.has(1, "{long|flat} {deck|roadway}", role="deck")
    spans = a["spans"]
    each = length / spans
    if a["form"] == "arches":
        for i in range(spans):
            x = each * (i + 0.5) - length / 2
            rise = (high - 0.1) / (0.5 * each)
            s.lathe(
                "arch",
                (
                    (0.42 * each, -width / 2),
                    (0.5 * each, -width / 2),
                    (0.5 * each, width / 2),
                    (0.42 * each, width / 2),
                    (0.42 * each, -width / 2),
                ),
                (x, 0, 0),
                (90, 0, 0),
                (1, rise),
                180.0,
            )
        s.on(spans, "{round|wide} arch", "{in a row|}" if spans > 1 else "", role="arch")
    elif a["form"] == "piers":
        for i in range(spans + 1):
            x = (each * i - length / 2) * 0.94
            s.box("pier", (0.1, 0.8 * width, high), (x, 0, high / 2))
        s.on(spans + 1, "{upright|square|solid} pier", role="pier")
    else:
        for x in (-0.28 * length, 0.28 * length):
            for y in (-1, 1):
                s.rod("pylon", (x, y * width / 2, 0), (x, y * width / 2, high + a["pylon"]), 0.04, square=True)
                for end in (-0.2, -0.1, 0.1, 0.2):
                    s.rod(
                        "cable", (x, y * width / 2, high + a["pylon"]), (x + end * length, y * width / 2, high), 0.012
                    )
            s.box("crossbeam", (0.06, width, 0.06), (x, 0, high + 0.8 * a["pylon"]))
        s.has(4, "{tall|upright} pylon", "{at the sides|}", role="pylon")
        s.has(16, "slanting cable", role="cable")
    if a["railing"] == "railing":
        _guard_rails(s, length, width, high)
    return s


def _spiral(s: Sketch, a: Attributes) -> None:
    """Treads like slices of a cake around a column; the handrail winds up with them."""
    count, width, rise, turn = a["treads"], a["width"], a["rise"], math.radians(a["turn"])
    s.rod("column", (0, 0, 0), (0, 0, rise * (count + 2)), 0.06)
    side = (width * math.cos(0.55 * turn), width * math.sin(0.55 * turn))
    outline = ((0.05, -0.03), (side[0], -side[1]), side, (0.05, 0.03))
    for i in range(count):
        s.plate("tread", outline, 0.05, (0, 0, rise * (i + 1)), (0, 0, a["turn"] * i))
    s.says("{winding|turning} around a {central|middle} column")
    if a["railing"] != "a railing":
        return
    feet = [(width * math.cos(turn * i), width * math.sin(turn * i), rise * (i + 1)) for i in range(count)]
    for x, y, z in feet:
        s.rod("baluster", (x, y, z), (x, y, z + 0.6), 0.015)
    for (ax, ay, az), (bx, by, bz) in pairwise(feet):
        s.rod("railing", (ax, ay, az + 0.6), (bx, by, bz + 0.6), 0.025)
    s.has(1, "{winding|curved} handrail", "on posts")


def _straight(s: Sketch, a: Attributes) -> None:
    """Treads in a straight line: solid down to the ground, or boards between two slanting beams."""
    count, width, rise, run = a["treads"], a["width"], a["rise"], 0.25
    for i in range(count):
        top = rise * (i + 1)
        if a["form"] == "solid":
            s.box("tread", (width, run, top), (0, run * i, top / 2))
        else:
            s.box("tread", (width, run, 0.05), (0, run * i, top))
    for x in (-0.48 * width, 0.48 * width):
        if a["form"] == "open":
            s.rod("beam", (x, -0.5 * run, 0.5 * rise), (x, run * (count - 0.5), rise * count), 0.035, square=True)
        if a["railing"] == "a railing":
            s.rod("railing", (x, 0, rise + 0.6), (x, run * (count - 1), rise * count + 0.6), 0.025)
            for i in range(0, count, 2):
                s.rod("baluster", (x, run * i, rise * (i + 1)), (x, run * i, rise * (i + 1) + 0.6), 0.015)
    s.says("{solid|massive} down to the ground" if a["form"] == "solid" else "open {below|between the treads}")
    if a["railing"] == "a railing":
        s.has(2, "{sloping handrail|rail on posts}", "{at the sides|}", role="railing")


def staircase(a: Attributes) -> Sketch:
    """Treads that rise one after the other."""
    s = Sketch()
    if a["form"] == "spiral":
        _spiral(s, a)
    else:
        _straight(s, a)
    s.main("{rising|climbing} {row|flight|series} of {treads|levels}")
    s.has(a["treads"], "tread", "{rising one after the other|each higher than the last|}", role="tread")
    return s


FAMILIES = [
    Family(
        "bridge",
        bridge,
        {
            "form": ("arches", "piers", "pylons"),
            "railing": ("railing", "no railing"),
            "spans": (1, 2, 3, 4),
            "length": (1.8, 2.8),
            "width": (0.3, 0.55),
            "height": (0.35, 0.6),
            "pylon": (0.4, 0.8),
        },
        synonym="viaduct",
    ),
    Family(
        "staircase",
        staircase,
        {
            "form": ("solid", "open", "spiral"),
            "railing": ("a railing", "no railing"),
            "treads": (4, 5, 6, 7, 8),
            "width": (0.6, 1.1),
            "rise": (0.13, 0.22),
            "turn": (24.0, 40.0),
        },
        synonym="stairs",
        pair=("form", "railing"),
        unseen=(("solid", "a railing"),),
        sentence="a {form} staircase with {railing}",
    ),
]
