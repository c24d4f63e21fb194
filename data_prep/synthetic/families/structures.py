"""Structures to cross, climb and pass through. The front looks towards -y."""

from __future__ import annotations

import math
from itertools import pairwise

from data_prep.synthetic.parse import Attributes, Family, Sketch


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
        for y in (-1, 1):
            s.rod("railing", (-length / 2, y * width / 2, high + 0.18), (length / 2, y * width / 2, high + 0.18), 0.018)
            for i in range(7):
                x = length * (i / 6 - 0.5) * 0.98
                s.rod("railing post", (x, y * width / 2, high), (x, y * width / 2, high + 0.18), 0.014)
        s.has(2, "{guard rail|thin side rail}", "{along the edges|}", role="railing")
    return s


def _spiral_railing(s: Sketch, count: int, width: float, rise: float, turn: float) -> None:
    """A handrail that winds up with the treads, on a post at each."""
    feet = [(width * math.cos(turn * i), width * math.sin(turn * i), rise * (i + 1)) for i in range(count)]
    for x, y, z in feet:
        s.rod("baluster", (x, y, z), (x, y, z + 0.6), 0.015)
    for (ax, ay, az), (bx, by, bz) in pairwise(feet):
        s.rod("railing", (ax, ay, az + 0.6), (bx, by, bz + 0.6), 0.025)
    s.has(1, "{winding|curved} handrail", "on posts")


def staircase(a: Attributes) -> Sketch:
    """Treads that rise one after the other."""
    s, count, width, rise, run = Sketch(), a["treads"], a["width"], a["rise"], 0.25
    if a["form"] == "spiral":
        s.rod("column", (0, 0, 0), (0, 0, rise * (count + 2)), 0.06)
        for i in range(count):
            t = a["turn"] * i
            inner, outer = 0.05, width
            spread = math.radians(a["turn"]) * 0.55
            outline = (
                (inner, -0.03),
                (outer * math.cos(spread), -outer * math.sin(spread)),
                (outer * math.cos(spread), outer * math.sin(spread)),
                (inner, 0.03),
            )
            s.plate("tread", outline, 0.05, (0, 0, rise * (i + 1)), (0, 0, t))
        s.says("{winding|turning} around a {central|middle} column")
        if a["railing"] == "a railing":
            _spiral_railing(s, count, width, rise, math.radians(a["turn"]))
    else:
        for i in range(count):
            top = rise * (i + 1)
            if a["form"] == "solid":
                s.box("tread", (width, run, top), (0, run * i, top / 2))
            else:
                s.box("tread", (width, run, 0.05), (0, run * i, top))
        if a["form"] == "open":
            for x in (-1, 1):
                s.rod(
                    "string",
                    (x * 0.48 * width, -0.5 * run, 0.5 * rise),
                    (x * 0.48 * width, run * (count - 0.5), rise * count),
                    0.035,
                    square=True,
                )
        s.says(
            "{solid below|massive down to the ground}"
            if a["form"] == "solid"
            else "{open below|open between the treads}"
        )
        if a["railing"] == "a railing":
            for x in (-1, 1):
                s.rod(
                    "railing",
                    (x * 0.48 * width, 0, rise + 0.6),
                    (x * 0.48 * width, run * (count - 1), rise * count + 0.6),
                    0.025,
                )
                for i in range(0, count, 2):
                    s.rod(
                        "baluster",
                        (x * 0.48 * width, run * i, rise * (i + 1)),
                        (x * 0.48 * width, run * i, rise * (i + 1) + 0.6),
                        0.015,
                    )
            s.has(2, "{sloping handrail|rail on posts}", "{at the sides|}", role="railing")
    s.main("{rising|climbing} {row|flight|series} of {treads|levels}")
    s.has(count, "tread", "{rising one after the other|each higher than the last|}", role="tread")
    return s


def fence(a: Attributes) -> Sketch:
    """Pickets or bars between posts."""
    s, length, high, posts = Sketch(), a["length"], a["height"], a["posts"]
    for i in range(posts):
        x = length * (i / (posts - 1) - 0.5)
        s.rod("post", (x, 0, 0), (x, 0, 1.12 * high), 0.045, square=True)
    s.has(posts, "{upright|square|stout} post", role="post")
    if a["form"] == "pickets":
        count = a["pickets"]
        for i in range(count):
            x = length * ((i + 0.5) / count - 0.5)
            w = 0.3 * length / count
            s.plate(
                "picket",
                ((x - w, 0.05), (x + w, 0.05), (x + w, 0.9 * high), (x, high), (x - w, 0.9 * high)),
                0.03,
                (0, -0.05, 0),
                (90, 0, 0),
            )
        s.has(count, "{pointed|upright} picket", "{side by side|}", role="picket")
        levels = [0.25, 0.75]
    else:
        levels = [(i + 0.6) / a["bars"] for i in range(a["bars"])]
        s.has(a["bars"], "{level|horizontal|long} bar", "{between the posts|}", role="bar")
    for level in levels:
        s.rod("bar", (-length / 2, 0, level * high), (length / 2, 0, level * high), 0.03, square=True)
    s.main(
        "{long|upright|thin} barrier of {posts and pickets|pickets}"
        if a["form"] == "pickets"
        else "{long|upright|thin} barrier of {posts and bars|bars}"
    )
    return s


def arch(a: Attributes) -> Sketch:
    """Two pillars joined by a round or flat top."""
    s, width, thick, high, depth = Sketch(), a["width"], a["thickness"], a["height"], a["depth"]
    for x in (-1, 1):
        if a["pillars"] == "round":
            s.rod("pillar", (x * width / 2, 0, 0), (x * width / 2, 0, high), 0.5 * min(thick, depth))
        else:
            s.box("pillar", (thick, depth, high), (x * width / 2, 0, high / 2))
    s.on(
        2,
        f"{'{round|cylindrical}' if a['pillars'] == 'round' else '{square|rectangular}'} {{pillar|column}}",
        role="pillar",
    )
    inner, outer = (width - thick) / 2, (width + thick) / 2
    if a["top"] == "round":
        s.lathe(
            "curve",
            ((inner, -depth / 2), (outer, -depth / 2), (outer, depth / 2), (inner, depth / 2), (inner, -depth / 2)),
            (0, 0, high),
            (90, 0, 0),
            (1, 1),
            180.0,
        )
        s.has(1, "{half-round|rounded|semicircular} top", role="curve")
        s.main("{curved|half-round} {span|opening}")
    elif a["top"] == "pointed":
        for x in (-1, 1):
            s.rod("slope", (x * width / 2, 0, high), (0, 0, high + 0.6 * width), 0.5 * thick, square=True)
        s.has(1, "{pointed|peaked} top")
        s.main("{pointed|peaked} {span|opening}")
    else:
        s.box("lintel", (outer * 2.2, 1.1 * depth, thick), (0, 0, high + thick / 2))
        s.has(1, "{flat|level} {beam|lintel}", "across the top", role="lintel")
        s.main("{level|straight} {span|opening}")
    if a["steps"] == "base":
        s.box("base", (width + 2 * thick, 1.6 * depth, 0.07), (0, 0, -0.035))
        s.has(1, "{flat|wide} base", role="base")
    s.says("open {in the middle|through the middle}", claim="open middle")
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
    Family(
        "fence",
        fence,
        {
            "form": ("pickets", "bars"),
            "posts": (2, 3, 4),
            "pickets": (7, 9, 11),
            "bars": (2, 3, 4),
            "length": (1.6, 2.6),
            "height": (0.5, 0.9),
        },
        synonym="paling",
    ),
    Family(
        "arch",
        arch,
        {
            "top": ("round", "pointed", "flat"),
            "pillars": ("round", "square"),
            "steps": ("base", "no base"),
            "width": (0.8, 1.4),
            "thickness": (0.14, 0.28),
            "height": (0.5, 1.3),
            "depth": (0.16, 0.35),
        },
        synonym="gateway",
        pair=("top", "pillars"),
        unseen=(("pointed", "round"),),
        sentence="an arch with a {top} top and {pillars} pillars",
    ),
]
