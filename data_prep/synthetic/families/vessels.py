"""Round hollow things, made by turning a profile."""

from __future__ import annotations

import math

from data_prep.synthetic.families.profiles import OPEN, curve, side_handle
from data_prep.synthetic.sketch import Attributes, Family, Sketch


def bottle(a: Attributes) -> Sketch:
    """A body that narrows to a neck."""
    s, r, body, neck = Sketch(), a["radius"], a["body"], a["neck"]
    thin, shoulder = a["neck radius"] * r, a["shoulder"] * r
    top = body + shoulder + neck
    s.vessel(
        "body",
        [(0.95 * r, 0), (r, 0.05), (r, body), *curve([(r, body), (thin, body + shoulder)], 5)[1:], (thin, top)],
        0.02,
    )
    s.main(f"{'{tall|slim|narrow}' if top > 4 * r else ''} {{round|cylindrical}} {{container|vessel}}")
    s.has(1, f"{'{long|tall}' if neck > 0.3 else '{short|low}'} {{narrow|thin}} neck", "{above|}")
    s.says(
        "{sloping|tapering} gently to the neck" if shoulder > 0.8 * r else "narrowing {suddenly|sharply} to the neck"
    )
    if a["stopper"] == "stopper":
        s.disc("stopper", 1.15 * thin, 0.1, (0, 0, top + 0.04))
        s.has(1, "{cap|stopper}", "on top", role="stopper")
        s.says("closed at the top", claim="closed top")
    else:
        s.says("open at the {top|mouth}", claim="open top")
    return s


def vase(a: Attributes) -> Sketch:
    """A turned vessel with a belly, a waist or a flare."""
    s, h, r = Sketch(), a["height"], a["radius"]
    mouth, foot = a["mouth"] * r, a["foot"] * r
    shapes = {
        "bulging": [(foot, 0), (r, 0.4 * h), (0.45 * mouth, 0.8 * h), (0.75 * mouth, h)],
        "waisted": [(r, 0), (0.45 * r, 0.5 * h), (r, h)],
        "flared": [(0.4 * r, 0), (0.5 * r, 0.4 * h), (1.1 * r, h)],
        "egg-shaped": [(0.5 * foot, 0), (r, 0.6 * h), (0.6 * mouth, h)],
    }
    s.vessel("body", curve(shapes[a["form"]], 9), 0.025)
    s.main(f"{'{tall|slender}' if h > 3 * r else ''} {{round|turned}} vessel")
    texts = {
        "bulging": "{bulging below and narrow above|with a fat belly and a narrow neck}",
        "waisted": "{narrow in the middle|pinched at the waist|wide at both ends}",
        "flared": "{widening towards the top|flaring out like a trumpet}",
        "egg-shaped": "{egg-shaped|swelling above the middle}",
    }
    s.says(texts[a["form"]])
    s.says(OPEN, claim="open top")
    if a["handles"] == "two handles":
        for side in (-1, 1):
            side_handle(s, 0.62 * r, 0.5 * h, 0.85 * h, 0.55 * r, 0.03, side)
        s.has(2, "{curved|ear-like} handle", "{on opposite sides|}", role="handle")
    return s


def bowl(a: Attributes) -> Sketch:
    """A wide open shell, with a foot or without."""
    s, r, depth, foot = Sketch(), 0.5, a["depth"], a["foot height"]
    start = 0.35 if a["base"] == "flat base" else 0.2
    curve = [(r * math.sin(t), foot + depth * (1 - math.cos(t))) for t in (0.3, 0.6, 0.9, 1.2, math.pi / 2)]
    curve = [(start * r, foot), *curve[1:]]
    if a["rim"] == "wide rim":
        curve.append((1.25 * r, foot + depth + 0.02))
        s.has(1, "{wide|flat} rim", "{around the opening|}")
    s.vessel("body", curve, a["wall"])
    if a["base"] == "foot":
        s.frustum("foot", 0.3, 0.18, foot + 0.02, (0, 0, 0))
        s.on(1, "{round|small|raised} {foot|base}", role="foot")
    s.main("{wide|round} {hollow half ball|open dish|rounded dish}")
    s.says(
        "{deep|deeply hollowed}"
        if depth > 0.42
        else "{shallow|flat}"
        if depth < 0.3
        else "{of medium depth|rounded below}"
    )
    s.says(OPEN, claim="open top")
    return s


def bucket(a: Attributes) -> Sketch:
    """A tapered open vessel with a hoop across its mouth to carry it."""
    s, r, h = Sketch(), 0.5, a["height"]
    s.vessel("body", [(a["taper"] * r, 0), (r, h)], 0.02)
    s.ring("rim", r, 0.025, (0, 0, h))
    s.main("{wide|round|tapered} open vessel")
    turn = {"raised": 90.0, "tilted": 55.0, "lowered": 15.0}[a["hoop"]]
    s.ring("hoop", r, 0.02, (0, 0, h), (turn, 0, 0), 180.0, (1, a["hoop height"]))
    texts = {
        "raised": "{standing up over the opening|raised above the mouth}",
        "tilted": "{tilted to one side|half lowered}",
        "lowered": "{lying along the rim|folded down}",
    }
    s.has(1, "{thin|curved|wire} {hoop|carrying hoop}", texts[a["hoop"]], role="hoop")
    s.says(
        "{wider at the top than at the bottom|narrowing towards the bottom}"
        if a["taper"] < 0.9
        else "nearly straight-sided"
    )
    s.says(OPEN, claim="open top")
    return s


def goblet(a: Attributes) -> Sketch:
    """A small cup on a thin stem with a round foot."""
    s, r, cup, stem = Sketch(), a["radius"], a["cup"], a["stem"]
    forms = {
        "round": [(0.05, 0), (r, 0.45 * cup), (0.8 * r, cup)],
        "straight": [(0.7 * r, 0), (0.8 * r, cup)],
        "flared": [(0.04, 0), (0.5 * r, 0.4 * cup), (1.1 * r, cup)],
    }
    s.vessel("cup", curve([(x, z + stem) for x, z in forms[a["form"]]], 8), 0.015)
    s.rod("stem", (0, 0, 0.02), (0, 0, stem + 0.03), 0.025)
    s.frustum("foot", a["foot"], 0.03, 0.05, (0, 0, 0))
    words = {"round": "{rounded|bulging}", "straight": "{straight|cylindrical}", "flared": "{flared|widening}"}
    s.main(f"{words[a['form']]} {{small|open|drinking}} vessel", role="cup")
    s.has(1, f"{words[a['form']]} upper part", "for the drink", role="cup")
    s.on(1, f"{'{long|tall}' if stem > 0.4 else '{short}'} thin stem", "{with a round foot|}", role="stem")
    s.says(OPEN, claim="open top")
    return s


def tub(a: Attributes) -> Sketch:
    """A long open trough with rounded ends."""
    s, length, width, h, low = Sketch(), a["length"], a["width"], a["height"], a["foot"]
    if a["form"] == "oval":
        s.vessel("body", [(0.5 * a["taper"], low), (0.5, low + h)], 0.04, stretch=(length, width))
    else:
        for x in (-1, 1):
            s.box("side", (0.05, width, h), (x * length / 2, 0, low + h / 2))
            s.box("side", (length, 0.05, h), (0, x * width / 2, low + h / 2))
        s.box("bottom", (length, width, 0.05), (0, 0, low + 0.025))
    s.main(f"{{long|large|deep}} {'oval' if a['form'] == 'oval' else 'rectangular'} {{hollow|trough|open form}}")
    s.says(OPEN, claim="open top")
    if a["stand"] == "feet":
        for x in (-1, 1):
            for y in (-1, 1):
                s.ball("foot", (0.1, 0.1, low + 0.1), (x * 0.28 * length, y * 0.28 * width, low / 2 + 0.04))
        s.on(4, "{small|short|claw-like} foot", role="foot")
    else:
        s.box("plinth", (0.6 * length, 0.5 * width, low), (0, 0, low / 2))
        s.on(1, "{low|solid} {plinth|block}", role="plinth")
    if a["tap"] == "tap":
        s.rod("tap", (0.5 * length, 0, low + h), (0.5 * length, 0, low + h + 0.2), 0.025)
        s.rod("tap spout", (0.5 * length, 0, low + h + 0.19), (0.36 * length, 0, low + h + 0.17), 0.025)
        s.has(1, "{bent|small} {tap|pipe}", "{at one end|over one end}", role="tap")
    return s


FAMILIES = [
    Family(
        "bottle",
        bottle,
        {
            "stopper": ("stopper", "open"),
            "radius": (0.16, 0.28),
            "body": (0.45, 0.8),
            "neck": (0.15, 0.45),
            "neck radius": (0.25, 0.45),
            "shoulder": (0.3, 1.4),
        },
        synonym="flask",
    ),
    Family(
        "vase",
        vase,
        {
            "form": ("bulging", "waisted", "flared", "egg-shaped"),
            "handles": ("no handles", "no handles", "two handles"),
            "height": (0.8, 1.2),
            "radius": (0.25, 0.42),
            "mouth": (0.6, 1.0),
            "foot": (0.4, 0.75),
        },
        synonym="urn",
        pair=("form", "handles"),
        unseen=(("waisted", "two handles"),),
        sentence="a {form} vase with {handles}",
    ),
    Family(
        "bowl",
        bowl,
        {
            "base": ("flat base", "foot"),
            "rim": ("wide rim", "plain rim"),
            "depth": (0.22, 0.5),
            "foot height": (0.08, 0.18),
            "wall": (0.015, 0.05),
        },
        synonym="basin",
    ),
    Family(
        "bucket",
        bucket,
        {
            "hoop": ("raised", "tilted", "lowered"),
            "height": (0.8, 1.2),
            "taper": (0.65, 1.0),
            "hoop height": (0.9, 1.4),
        },
        synonym="pail",
    ),
    Family(
        "goblet",
        goblet,
        {
            "form": ("round", "straight", "flared"),
            "radius": (0.18, 0.3),
            "cup": (0.3, 0.5),
            "stem": (0.25, 0.6),
            "foot": (0.15, 0.26),
        },
        synonym="chalice",
    ),
    Family(
        "tub",
        tub,
        {
            "form": ("oval", "rectangular"),
            "stand": ("feet", "plinth"),
            "tap": ("tap", "no tap"),
            "length": (1.5, 1.9),
            "width": (0.7, 0.95),
            "height": (0.45, 0.65),
            "foot": (0.08, 0.2),
            "taper": (0.7, 0.95),
        },
        synonym="bathtub",
    ),
]
