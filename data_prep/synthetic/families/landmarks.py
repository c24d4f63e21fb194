"""Tall buildings with a use: silos, lighthouses, windmills."""

from __future__ import annotations

import math

from data_prep.synthetic.families.roofs import gable_roof
from data_prep.synthetic.sketch import Attributes, Family, Sketch


def silo(a: Attributes) -> Sketch:
    """One or more tall cylinders with rounded or pointed tops."""
    s, r, high, count = Sketch(), a["radius"], a["height"], a["count"]
    for i in range(count):
        x = 2.05 * r * (i - (count - 1) / 2)
        s.disc("cylinder", r, high, (x, 0, high / 2))
        if a["top"] == "domed":
            s.dome("cap", 1.03 * r, 0.6 * r, (x, 0, high))
        else:
            s.frustum("cap", 1.08 * r, 0.12 * r, 0.5 * r, (x, 0, high))
        for j in range(a["hoops"]):
            s.ring("hoop", r, 0.025, (x, 0, high * (j + 0.7) / a["hoops"]))
    s.main("{smooth|round|plain} cylinder" if count == 1 else "group of {round|upright} cylinders")
    s.has(count, "{upright|round} cylinder", "{side by side|in a row}" if count > 1 else "", role="cylinder")
    s.has(count, "{domed|rounded}" + " cap" if a["top"] == "domed" else "{conical|pointed} cap", role="cap")
    s.has(a["hoops"] * count, "{ring|hoop}", "around the {outside|wall}", role="hoop")
    if a["pipe"] == "pipe":
        x = -2.05 * r * (count - 1) / 2 - 1.25 * r
        s.rod("pipe", (x, 0, 0), (x, 0, high + 0.3 * r), 0.05)
        s.rod("pipe bend", (x, 0, high + 0.3 * r), (x + 1.2 * r, 0, high + 0.45 * r), 0.05)
        s.has(1, "{thin|upright} pipe", "at the side", role="pipe")
    return s


def lighthouse(a: Attributes) -> Sketch:
    """A tapering round shaft with a gallery and a lantern room."""
    s, r, high, tip = Sketch(), a["radius"], a["height"], a["radius"] * a["taper"]
    if a["form"] == "round":
        s.frustum("shaft", r, tip, high, (0, 0, 0))
    else:
        for i in range(1):
            outline = [(math.cos(2 * math.pi * j / 8), math.sin(2 * math.pi * j / 8)) for j in range(8)]
            for k in range(4):
                size = r + (tip - r) * (k + 0.5) / 4
                s.plate(
                    "storey", [(x * size, y * size) for x, y in outline], high / 4, (0, 0, high * (k + 0.5) / 4 + i)
                )
    s.main(
        "{tall|high} {tapering|narrowing} {round|} shaft"
        if a["form"] == "round"
        else "{tall|high} {tapering|narrowing} {eight-sided|} shaft"
    )
    s.disc("gallery", 1.6 * tip, 0.05, (0, 0, high))
    for i in range(8):
        t = math.pi / 4 * i
        s.rod(
            "post",
            (1.5 * tip * math.cos(t), 1.5 * tip * math.sin(t), high),
            (1.5 * tip * math.cos(t), 1.5 * tip * math.sin(t), high + 0.13),
            0.012,
        )
    s.ring("rail", 1.5 * tip, 0.014, (0, 0, high + 0.13))
    s.has(1, "{round|railed} gallery", "{near the top|around the top}", role="gallery")
    s.disc("lantern", 0.75 * tip, 0.28, (0, 0, high + 0.16))
    s.has(1, "{small|glazed} lantern room", "{on top|}", role="lantern")
    if a["roof"] == "domed":
        s.dome("roof", 0.9 * tip, 0.8 * tip, (0, 0, high + 0.3))
        s.has(1, "{domed|rounded} {cap|little roof}", role="roof")
    else:
        s.frustum("roof", tip, 0.01, tip, (0, 0, high + 0.3))
        s.has(1, "{pointed|conical} {cap|little roof}", role="roof")
    if a["annex"] == "annex":
        s.box("annex", (0.55, 0.45, 0.3), (r + 0.2, 0, 0.15))
        gable_roof(s, "annex roof", 0.58, 0.5, 0.18, (r + 0.2, 0, 0.3))
        s.has(1, "{small|low} {annex|building}", "{beside it|at its foot}", role="annex")
    return s


def windmill(a: Attributes) -> Sketch:
    """A tapering body with a cross of sails."""
    s, r, high, reach = Sketch(), a["radius"], a["height"], a["reach"]
    s.frustum("body", r, 0.6 * r, high, (0, 0, 0))
    s.dome("cap", 0.65 * r, 0.5 * r, (0, 0, high))
    s.main("{tapering|narrowing|round} {building|body}", role="body")
    s.has(1, "{tapering|narrowing} body", role="body")
    s.has(1, "{rounded|domed} cap", role="cap")
    blades, hub = a["blades"], (0.0, -0.85 * r, high)
    s.rod("axle", (0, 0, high), hub, 0.04)
    for i in range(blades):
        t = 2 * math.pi * i / blades + math.radians(a["turn"])
        dx, dz = math.sin(t), math.cos(t)
        s.rod("arm", hub, (reach * dx, hub[1], high + reach * dz), 0.018)
        at = (0.6 * reach * dx + 0.07 * dz, hub[1], high + 0.6 * reach * dz - 0.07 * dx)
        s.box("sail", (a["sail width"], 0.015, 0.75 * reach), at, (0, math.degrees(t), 0))
    s.has(
        blades,
        f"{'{broad|wide}' if a['sail width'] > 0.17 else '{narrow|slim}'} {{sail|blade}}",
        "{in front|turning on an axle|around a hub}",
        role="sail",
    )
    s.box("door", (0.2, 0.08, 0.3), (0, -0.97 * r, 0.15))
    return s


FAMILIES = [
    Family(
        "silo",
        silo,
        {
            "top": ("domed", "pointed"),
            "count": (1, 2, 3),
            "hoops": (2, 3, 4),
            "pipe": ("pipe", "no pipe"),
            "radius": (0.25, 0.4),
            "height": (0.9, 1.6),
        },
        synonym="granary",
    ),
    Family(
        "lighthouse",
        lighthouse,
        {
            "form": ("round", "eight-sided"),
            "roof": ("domed", "pointed"),
            "annex": ("annex", "no annex"),
            "radius": (0.26, 0.4),
            "taper": (0.45, 0.7),
            "height": (1.3, 2.0),
        },
    ),
    Family(
        "windmill",
        windmill,
        {
            "blades": (3, 4, 6),
            "radius": (0.32, 0.45),
            "height": (0.9, 1.3),
            "reach": (0.6, 0.9),
            "sail width": (0.1, 0.24),
            "turn": (0.0, 60.0),
        },
    ),
]
