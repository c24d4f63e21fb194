"""Vessels to cook in and to pour from, with handles and spouts."""

from __future__ import annotations

from data_prep.synthetic.families.profiles import OPEN, curve, side_handle
from data_prep.synthetic.sketch import Attributes, Family, Sketch


def mug(a: Attributes) -> Sketch:
    """A straight cup with a handle at its side."""
    s, r, h = Sketch(), a["radius"], a["height"]
    s.vessel("body", [(a["taper"] * r, 0), (r, h)], a["wall"])
    high, low = 0.85 * h, (0.85 - a["handle size"]) * h
    if a["handle"] == "round handle":
        side_handle(s, 0.93 * r, low, high, a["reach"] * r, 0.045)
        s.has(1, "{curved|round|bent} handle", "{at the side|on one side}", role="handle")
    else:
        end = 0.9 * r + a["reach"] * r
        s.rod("handle bar", (0.85 * r, 0, high - 0.05), (end, 0, high - 0.05), 0.045, True)
        s.rod("handle bar", (0.85 * r, 0, low + 0.05), (end, 0, low + 0.05), 0.045, True)
        s.rod("handle", (end, 0, low), (end, 0, high), 0.045, True)
        s.has(1, "{square|angular} handle", "{at the side|on one side}", role="handle")
    s.main("{round|small} {cylinder|cylindrical vessel|drinking vessel}")
    s.says(OPEN, claim="open top")
    if a["wall"] > 0.07:
        s.has(1, "thick wall")
    return s


def jug(a: Attributes) -> Sketch:
    """A bellied vessel with a spout and a handle opposite to it."""
    s, h, r = Sketch(), a["height"], a["radius"]
    neck = a["neck"] * r
    if a["form"] == "round":
        s.vessel("body", curve([(0.6 * r, 0), (r, 0.4 * h), (neck, 0.8 * h), (1.15 * neck, h)], 9), 0.025)
    else:
        s.vessel("body", [(r, 0), (0.9 * r, 0.5 * h), (0.75 * r, h)], 0.025)
        neck = 0.7 * r
    side_handle(s, 0.95 * neck if a["form"] == "round" else 0.8 * r, 0.35 * h, 0.92 * h, a["reach"] * r, 0.035)
    s.plate(
        "spout", ((-1.9 * neck, 0.03), (-0.9 * neck, -0.22 * h), (-0.9 * neck, 0.03)), 0.7 * neck, (0, 0, h), (90, 0, 0)
    )
    s.main("{round|bellied} pouring vessel" if a["form"] == "round" else "{tapering|narrowing} pouring vessel")
    s.has(1, "{pointed spout|spout|lip for pouring}", "{at the rim|on one side}", role="spout")
    s.has(1, "{large|big|curved} handle", "{opposite the spout|on the other side|at the side}", role="handle")
    s.says("{bulging below|round-bellied}" if a["form"] == "round" else "{narrowing towards the top|straight-sided}")
    s.says(OPEN, claim="open top")
    return s


def pot(a: Attributes) -> Sketch:
    """A wide low vessel for cooking: one long handle or two short ones, with a lid or without."""
    s, r, h = Sketch(), 0.5, a["height"]
    s.vessel("body", [(0.92 * r, 0), (r, 0.12 * h), (r, h)], 0.025)
    s.main("{wide|low} {round|cylindrical} {cooking vessel|vessel with a flat bottom}")
    if a["handles"] == "one long handle":
        s.rod("handle", (0.95 * r, 0, 0.85 * h), (r + a["reach"], 0, 0.85 * h + 0.08), 0.035)
        s.has(1, "{long|straight} handle", "{at the side|sticking out}", role="handle")
    else:
        for side in (-1, 1):
            s.ring("handle", 0.13, 0.03, (side * r, 0, 0.8 * h), (0, 0, -90 if side > 0 else 90), 180.0)
        s.has(2, "{short|small} handle", "{on opposite sides|at the sides}", role="handle")
    if a["lid"] == "a lid":
        s.dome("lid", 1.03 * r, a["lid height"], (0, 0, h))
        s.ball("lid knob", (0.12, 0.12, 0.12), (0, 0, h + a["lid height"] + 0.03))
        s.has(1, "{domed|rounded} lid", "{with a knob|with a knob on top|on top}", role="lid")
        s.says("{covered|closed by a lid}", claim="closed top")
    else:
        s.says("{open at the top|without a lid}", claim="open top")
    return s


def teapot(a: Attributes) -> Sketch:
    """A round pot with a lid, a spout and a handle."""
    s, r, squash = Sketch(), 0.4, a["squash"]
    s.ball("body", (2 * r, 2 * r, 2 * r * squash), (0, 0, r * squash))
    s.dome("lid", 0.45 * r, 0.12, (0, 0, 1.85 * r * squash))
    s.ball("lid knob", (0.1, 0.1, 0.1), (0, 0, 1.85 * r * squash + 0.14))
    s.rod("spout", (-0.8 * r, 0, 0.8 * r * squash), (-r - a["spout"], 0, 1.7 * r * squash), 0.05)
    s.main("{round|rounded|ball-like} {body|vessel}", role="body")
    if a["handle"] == "side handle":
        side_handle(s, 0.88 * r, 0.4 * r * squash, 1.6 * r * squash, 0.7 * r, 0.035)
        s.has(1, "{curved|round} handle", "{at the side|opposite the spout}", role="handle")
    else:
        s.ring("handle", 0.9 * r, 0.03, (0, 0, 1.3 * r * squash), (90, 0, 0), 180.0, (1, 1.5))
        s.has(1, "{curved|arched} handle", "{over the top|above the lid}", role="handle")
    s.has(1, f"{'{long|thin}' if a['spout'] > 0.25 else '{short}'} {{slanting|straight}} spout", role="spout")
    s.has(1, "{small|domed} lid", "{with a knob|}", role="lid")
    s.says(
        "{flattened|squat}"
        if squash < 0.8
        else "{nearly ball-shaped|round as a ball}"
        if squash > 0.95
        else "{rounded|a little flattened}"
    )
    return s


FAMILIES = [
    Family(
        "mug",
        mug,
        {
            "handle": ("round handle", "square handle"),
            "radius": (0.3, 0.45),
            "height": (0.6, 1.0),
            "taper": (0.75, 1.0),
            "wall": (0.02, 0.1),
            "handle size": (0.45, 0.65),
            "reach": (0.5, 0.85),
        },
        synonym="teacup",
    ),
    Family(
        "jug",
        jug,
        {
            "form": ("round", "straight"),
            "height": (0.9, 1.3),
            "radius": (0.3, 0.45),
            "neck": (0.5, 0.7),
            "reach": (0.5, 0.8),
        },
        synonym="pitcher",
    ),
    Family(
        "pot",
        pot,
        {
            "handles": ("one long handle", "two short handles"),
            "lid": ("a lid", "no lid"),
            "height": (0.35, 0.75),
            "reach": (0.5, 0.9),
            "lid height": (0.08, 0.2),
        },
        synonym="saucepan",
        pair=("handles", "lid"),
        unseen=(("one long handle", "a lid"),),
        sentence="a pot with {handles} and {lid}",
    ),
    Family(
        "teapot",
        teapot,
        {"handle": ("side handle", "top handle"), "squash": (0.65, 1.05), "spout": (0.12, 0.35)},
        synonym="kettle",
    ),
]
