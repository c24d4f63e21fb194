"""Things to sit on: slabs on supports, with backs and arms. The front looks towards -y."""

from __future__ import annotations

import math

from data_prep.synthetic.families.supports import stand
from data_prep.synthetic.sketch import Attributes, Family, Sketch


def _back(s: Sketch, kind: str, width: float, depth: float, low: float, height: float, lean: float, count: int) -> None:
    """A back rising `height` above `low` at the rear, leaning by `lean` degrees."""
    y, shift = depth / 2 - 0.03, height * math.sin(math.radians(lean))
    high = low + height * math.cos(math.radians(lean))
    word = "{tall|high}" if height > 0.6 else "{low|short}" if height < 0.4 else ""
    if kind == "solid":
        middle = (0.0, y + shift / 2, (low + high) / 2)
        s.box("back", (width, 0.05, height), middle, (-lean, 0.0, 0.0))
        s.has(1, f"{word} {{solid|closed|flat}} {{back|backrest}}", "{at the rear|}", role="back")
        return
    if kind == "hooped":
        s.ring("back", width / 2 - 0.02, 0.025, (0, y, low), (90.0 - lean, 0, 0), 180.0, (1, 2 * height / width))
        for i in range(count):
            x = width * ((i + 1) / (count + 1) - 0.5)
            rise = math.sqrt(max(0.0, 1 - (2 * x / width) ** 2))
            s.rod("spindle", (x, y, low), (x, y + shift * rise, low + (high - low) * rise), 0.014)
        s.has(1, f"{word} {{rounded|curved|hooped}} {{back|backrest}}", "{of thin spindles|}", role="back")
        return
    for x in (-1, 1):
        s.rod("back post", (x * (width / 2 - 0.03), y, low), (x * (width / 2 - 0.03), y + shift, high), 0.025, True)
    for i in range(count):
        t = (i + 1) / count
        if kind == "barred":
            at = (0.0, y + shift * (t - 0.08), low + (high - low) * (t - 0.08))
            s.box("back bar", (width - 0.06, 0.025, 0.3 * height / count + 0.03), at, (-lean, 0, 0))
        else:
            x = (width - 0.1) * ((i + 1) / (count + 1) - 0.5)
            s.rod("back slat", (x, y, low), (x, y + shift, high), 0.017, True)
    if kind == "barred":
        s.has(1, f"{word} ladder-like {{back|backrest}}")
        s.has(count, "horizontal {bar|crosspiece}", "{in the back|across the back}", role="back bar")
    else:
        s.rod("back rail", (-width / 2, y + shift, high), (width / 2, y + shift, high), 0.028, True)
        s.has(1, f"{word} {{slatted|open}} {{back|backrest}}", role="back rail")
        s.has(count, "upright {slat|stave}", "{in the back|}", role="back slat")


def _arms(s: Sketch, width: float, depth: float, seat: float, height: float) -> None:
    for x in (-1, 1):
        at = x * (width / 2 - 0.02)
        s.rod("arm", (at, -0.42 * depth, seat + height), (at, depth / 2, seat + height), 0.025, True)
        s.rod("arm post", (at, -0.38 * depth, seat), (at, -0.38 * depth, seat + height), 0.02, True)
    s.has(2, "{armrest|arm}", "{at the sides|}", role="arm")


def chair(a: Attributes) -> Sketch:
    """A seat with a back on a support."""
    s, width, depth, seat = Sketch(), a["width"], a["depth"], a["seat height"]
    s.slab("seat", a["seat"], (width, depth, a["thickness"]), (0, 0, seat + a["thickness"] / 2))
    thick = "{thick|padded|chunky}" if a["thickness"] > 0.085 else "{flat|level}"
    s.main(f"{thick} {a['seat']} {{seat|slab for sitting}}", role="seat")
    s.has(1, f"{{flat|level|}} {a['seat']} seat", role="seat")
    stand(s, a["support"], width, depth, seat, a["leg"], a["splay"])
    back_width = width * (0.8 if a["seat"] == "round" else 0.98)
    back_depth = depth * (0.85 if a["seat"] == "round" else 1.0)
    _back(s, a["back"], back_width, back_depth, seat + a["thickness"] / 2, a["back height"], a["lean"], a["bars"])
    if a["arms"] == "arms":
        _arms(s, width, depth, seat + a["thickness"] / 2, 0.22)
    if a["lean"] > 12:
        s.says("leaning {backwards|back}")
    return s


def stool(a: Attributes) -> Sketch:
    """A small high seat without a back."""
    s, width, height = Sketch(), a["width"], a["height"]
    s.slab("seat", a["seat"], (width, width, a["thickness"]), (0, 0, height + a["thickness"] / 2))
    stand(s, a["support"], width, width, height, a["leg"], a["splay"])
    s.main(f"{{small|flat}} {a['seat']} {{seat|top|slab}}")
    s.says("{without a back|backless|open on all sides}")
    if a["footrest"] == "footrest" and a["support"] != "one column with spread feet":
        level = a["footrest level"] * height
        radius = width / 2 * (1 + a["splay"] * (1 - a["footrest level"]))
        s.ring("footrest", max(0.8 * radius, 0.1), 0.016, (0, 0, level))
        s.has(
            1,
            "{round footrest|ring for the feet|hoop between the legs and the floor|footrest ring}",
            role="footrest",
        )
    if a["support"] != "one column with spread feet" and height > 2.2 * width:
        s.overall.append("{high|tall}")
    return s


def bench(a: Attributes) -> Sketch:
    """A long seat for several people."""
    s, width, depth, seat = Sketch(), a["width"], a["depth"], a["seat height"]
    planks = a["planks"]
    for i in range(planks):
        step = depth / planks
        s.box(
            "plank",
            (width, 0.82 * step if planks > 1 else depth, 0.05),
            (0, step * (i + 0.5) - depth / 2, seat + 0.025),
        )
    s.main("{long|wide} {seat|narrow board for sitting}")
    if planks > 1:
        s.has(planks, "{long plank|lengthwise board}", "{as the seat|}", role="plank")
    stand(s, a["support"], width, depth, seat, a["leg"])
    if a["back"] != "no back":
        _back(
            s,
            "barred" if a["back"] == "a barred back" else "solid",
            width,
            depth,
            seat,
            a["back height"],
            a["lean"],
            a["bars"],
        )
    else:
        s.says("{without a back|backless}")
    return s


_SUPPORTS = ("four legs", "one central column", "two floor runners", "one column with spread feet")
FAMILIES = [
    Family(
        "chair",
        chair,
        {
            "seat": ("square", "round"),
            "support": _SUPPORTS,
            "back": ("solid", "slatted", "barred", "hooped"),
            "arms": ("arms", "no arms", "no arms"),
            "bars": (3, 4, 5),
            "width": (0.42, 0.58),
            "depth": (0.42, 0.56),
            "seat height": (0.36, 0.56),
            "thickness": (0.03, 0.12),
            "back height": (0.32, 0.8),
            "lean": (2.0, 18.0),
            "leg": (0.014, 0.035),
            "splay": (0.0, 0.25),
        },
        pair=("back", "support"),
        unseen=(("hooped", "two floor runners"), ("solid", "one central column")),
        sentence="a chair with a {back} back on {support}",
    ),
    Family(
        "stool",
        stool,
        {
            "seat": ("round", "square"),
            "support": ("four legs", "three legs", "one column with spread feet"),
            "footrest": ("footrest", "no footrest"),
            "footrest level": (0.2, 0.45),
            "width": (0.3, 0.42),
            "height": (0.5, 0.95),
            "thickness": (0.03, 0.1),
            "leg": (0.014, 0.03),
            "splay": (0.0, 0.3),
        },
        pair=("seat", "support"),
        unseen=(("round", "four legs"),),
        sentence="a stool with a {seat} seat on {support}",
    ),
    Family(
        "bench",
        bench,
        {
            "support": ("four legs", "two side panels", "two crossed trestles"),
            "back": ("no back", "a barred back", "a solid back"),
            "planks": (1, 2, 3, 4),
            "bars": (2, 3),
            "width": (1.2, 2.2),
            "depth": (0.32, 0.48),
            "seat height": (0.38, 0.52),
            "back height": (0.32, 0.5),
            "lean": (2.0, 15.0),
            "leg": (0.025, 0.045),
        },
        synonym="pew",
        pair=("back", "support"),
        unseen=(("no back", "two side panels"),),
        sentence="a bench with {back} on {support}",
    ),
]
