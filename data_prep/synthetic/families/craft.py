"""Things that fly and float. They look along x; the rocket stands."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def airplane(a: Attributes) -> Sketch:
    """A tube with wings and a tail."""
    s, length, r, span = Sketch(), a["length"], a["radius"], a["span"]
    s.rod("fuselage", (-0.32 * length, 0, 0), (0.42 * length, 0, 0), r)
    s.ball("nose", (0.3 * length, 2 * r, 2 * r), (0.42 * length, 0, 0))
    s.lathe("tail cone", ((r, 0), (0.2 * r, 0.22 * length), (0, 0.22 * length)), (-0.32 * length, 0, 0), (0, -90, 0))
    z = {"low-set": -0.6 * r, "mid-set": 0.0, "high-set": 0.95 * r}[a["wing"]]
    root, tip, sweep = a["chord"], a["chord"] * a["taper"], a["sweep"] * span / 2
    for y in (-1, 1):
        outline = [(root / 2, 0), (-root / 2, 0), (-sweep - tip / 2, y * span / 2), (-sweep + tip / 2, y * span / 2)]
        s.plate("wing", outline if y < 0 else outline[::-1], 0.035, (0.05 * length, 0, z))
    slant = "{swept-back|backward-slanting}" if a["sweep"] > 0.3 else "{straight|stretched-out}"
    s.has(
        2,
        f"{slant} wing",
        {
            "low-set": "{set low|low on the body}",
            "mid-set": "{at the sides|}",
            "high-set": "{on top of the body|set high}",
        }[a["wing"]],
        role="wing",
    )
    back = -0.47 * length
    s.plate(
        "fin",
        ((0.13 * length, 0), (-0.06 * length, a["fin"]), (-0.12 * length, a["fin"]), (-0.05 * length, 0)),
        0.03,
        (back, 0, 0.3 * r),
        (90, 0, 0),
    )
    s.has(1, "{upright|vertical} {tail fin|fin}", "{at the rear|}", role="fin")
    level = 0.3 * r + (a["fin"] if a["tail"] == "t-shaped tail" else 0.0)
    s.box("tailplane", (0.12 * length, 0.36 * span, 0.03), (back - (0.08 * length if level > r else 0), 0, level))
    s.says("{t-shaped tail|tail like the letter t}" if level > r else "{plain tail|low tailplane}")
    for i in range(a["engines"] // 2):
        for y in (-1, 1):
            at = y * span * (0.17 + 0.14 * i)
            x = 0.05 * length - a["sweep"] * abs(at) + 0.3 * root
            s.rod("engine", (x - 0.14, at, z - 0.09), (x + 0.14, at, z - 0.09), 0.075)
    if a["engines"]:
        s.has(a["engines"], "{engine|round engine}", "under the wings", role="engine")
    else:
        s.box("propeller", (0.03, 0.5, 0.06), (0.57 * length + 0.02, 0, 0), (30, 0, 0))
        s.has(1, "propeller", "at the {nose|front}", role="propeller")
    s.main("{long|straight} {tube|round body} {with outstretched wings|with two wings and a tail|that flies}")
    if r < 0.065 * length:
        s.overall.append("{slender|slim}")
    elif r > 0.095 * length:
        s.overall.append("{thick-bodied|stout}")
    return s


def helicopter(a: Attributes) -> Sketch:
    """A rounded cabin with a rotor above and a thin tail."""
    s, size, tail = Sketch(), a["cabin"], a["tail"]
    s.ball("cabin", (1.5 * size, size, size), (0, 0, 0))
    s.rod("tail boom", (-0.5 * size, 0, 0.1), (-0.5 * size - tail, 0, 0.15), 0.05)
    s.box("fin", (0.12, 0.03, 0.34), (-0.5 * size - tail, 0, 0.22), (0, -20, 0))
    s.rod("mast", (0, 0, 0.4 * size), (0, 0, 0.5 * size + 0.16), 0.03)
    blades = a["blades"]
    for i in range(blades):
        t = 2 * math.pi * i / blades + 0.4
        r = a["rotor"]
        s.box(
            "blade",
            (r, 0.07, 0.02),
            (0.5 * r * math.cos(t), 0.5 * r * math.sin(t), 0.5 * size + 0.16),
            (0, 0, math.degrees(t)),
        )
    s.main("{rounded|egg-shaped} {cabin|body} with a {thin|long} tail")
    s.has(blades, "{long|thin} rotor blade", "{above|on a mast on top|overhead}", role="blade")
    s.has(1, f"{'{long}' if tail > 0.95 else '{thin|slim}'} tail boom", role="tail boom")
    if a["gear"] == "skids":
        for y in (-1, 1):
            s.rod(
                "skid", (-0.6 * size, y * 0.45 * size, -0.75 * size), (0.7 * size, y * 0.45 * size, -0.75 * size), 0.025
            )
            for x in (-0.3, 0.35):
                s.rod(
                    "strut", (x * size, y * 0.3 * size, -0.35 * size), (x * size, y * 0.45 * size, -0.75 * size), 0.02
                )
        s.on(2, "{long|thin|parallel} skid", role="skid")
    else:
        for forward, side in ((0.45, 0.0), (-0.3, -0.4), (-0.3, 0.4)):
            s.disc("wheel", 0.1, 0.06, (forward * size, side * size, -0.55 * size), (90, 0, 0))
        s.on(3, "{small|} wheel", role="wheel")
    return s


def boat(a: Attributes) -> Sketch:
    """A pointed hull, with sails, a cabin, or oars."""
    s, length, beam, depth = Sketch(), a["length"], a["beam"], a["depth"]
    stations = [(-0.5, 0.7), (-0.25, 0.95), (0.0, 1.0), (0.25, 0.75), (0.42, 0.35), (0.5, 0.02)]
    half = [(x * length, w * beam / 2) for x, w in stations]
    steps = 4
    for i in range(steps):  # a hull in layers that widen upwards
        scale = 0.55 + 0.45 * (i + 1) / steps
        outline = [(x * (0.8 + 0.2 * scale), -w * scale) for x, w in half] + [
            (x * (0.8 + 0.2 * scale), w * scale) for x, w in reversed(half)
        ]
        s.plate("hull layer", outline, depth / steps, (0, 0, depth * (i + 0.5) / steps))
    s.main("{long|curved} {hull|body} {pointed at the front|with a pointed bow}")
    s.has(1, "{pointed|sharp} {bow|front}")
    s.has(1, f"{'{narrow|slender}' if beam < 0.3 * length else '{broad|wide}'} hull")
    if a["top"] == "sail":
        high = a["mast"]
        s.rod("mast", (0.08 * length, 0, depth), (0.08 * length, 0, depth + high), 0.02)
        s.plate(
            "sail",
            ((-0.42 * length, 0), (0.07 * length, 0), (0.07 * length, 0.9 * high)),
            0.015,
            (0, 0, depth + 0.12),
            (90, 0, 0),
        )
        s.has(1, f"{'{tall|high}' if high > 1.1 else '{short|upright}'} mast", role="mast")
        s.has(1, "{triangular|pointed} sail", role="sail")
    elif a["top"] == "cabin":
        s.box("cabin", (0.34 * length, 0.6 * beam, 0.28), (-0.1 * length, 0, depth + 0.14))
        s.has(1, "{boxy|square|low} cabin", "on deck", role="cabin")
        s.rod("funnel", (-0.18 * length, 0, depth + 0.25), (-0.18 * length, 0, depth + 0.3 + 0.3 * a["mast"]), 0.07)
        s.has(1, "{round|upright} funnel", "{behind|above the cabin}", role="funnel")
    else:
        for y in (-1, 1):
            s.rod("oar", (0, y * 0.3 * beam, depth + 0.05), (-0.1, y * (0.5 * beam + 0.75), 0), 0.025)
        s.box("bench", (0.12, 0.85 * beam, 0.05), (0.02, 0, depth + 0.05))
        s.has(2, "{long|} oar", "{at the sides|reaching out to the sides}", role="oar")
    return s


def rocket(a: Attributes) -> Sketch:
    """An upright tube with a pointed tip and fins."""
    s, r, h, tip = Sketch(), a["radius"], a["height"], a["tip"]
    low = 0.12
    s.disc("body", r, h, (0, 0, low + h / 2))
    if a["nose"] == "pointed":
        s.frustum("nose", r, 0.005, tip, (0, 0, low + h))
    else:
        s.dome("nose", r, 0.7 * tip, (0, 0, low + h))
    s.has(
        1,
        "{pointed|sharp|cone-shaped} {tip|nose}" if a["nose"] == "pointed" else "{rounded|blunt} {tip|nose}",
        "{at the top|}",
        role="nose",
    )
    s.frustum("nozzle", 0.7 * r, 0.4 * r, low, (0, 0, 0))
    for i in range(a["fins"]):
        t = 360.0 * i / a["fins"]
        outline = ((0.9 * r, 0.3 * h), (0.9 * r, 0.02), (0.9 * r + a["fin"], -0.1), (0.9 * r + a["fin"], 0.08))
        s.plate("fin", outline, 0.025, (0, 0, low + 0.05), (90, 0, t))
    s.has(
        a["fins"],
        f"{'{wide|large}' if a['fin'] > 0.25 else '{small|short}'} fin",
        "{at the bottom|around the foot}",
        role="fin",
    )
    for i in range(a["boosters"]):
        t = 2 * math.pi * (i + 0.5) / a["boosters"]
        at = (1.5 * r * math.cos(t), 1.5 * r * math.sin(t))
        s.disc("booster", 0.45 * r, 0.5 * h, (*at, low + 0.25 * h))
        s.frustum("booster tip", 0.45 * r, 0.01, 0.14, (*at, low + 0.5 * h))
    if a["boosters"]:
        s.has(a["boosters"], "{slim|smaller} tube", "{at the sides|alongside}", role="booster")
    s.main("{upright|tall} {tube|cylinder|round column}")
    return s


FAMILIES = [
    Family(
        "airplane",
        airplane,
        {
            "wing": ("low-set", "mid-set", "high-set"),
            "tail": ("plain tail", "t-shaped tail"),
            "engines": (0, 2, 4),
            "length": (1.6, 2.4),
            "radius": (0.1, 0.2),
            "span": (1.6, 2.4),
            "chord": (0.3, 0.45),
            "taper": (0.35, 0.9),
            "sweep": (0.0, 0.7),
            "fin": (0.3, 0.45),
        },
        synonym="jetliner",
        pair=("wing", "tail"),
        unseen=(("high-set", "plain tail"),),
        sentence="an airplane with {wing} wings and a {tail}",
    ),
    Family(
        "helicopter",
        helicopter,
        {
            "blades": (2, 3, 4, 5),
            "gear": ("skids", "wheels"),
            "cabin": (0.5, 0.7),
            "tail": (0.7, 1.2),
            "rotor": (0.8, 1.2),
        },
        synonym="chopper",
    ),
    Family(
        "boat",
        boat,
        {
            "top": ("sail", "cabin", "oars"),
            "length": (1.4, 2.2),
            "beam": (0.42, 0.7),
            "depth": (0.22, 0.4),
            "mast": (0.8, 1.5),
        },
        synonym="ship",
    ),
    Family(
        "rocket",
        rocket,
        {
            "nose": ("pointed", "rounded"),
            "fins": (3, 4),
            "boosters": (0, 0, 2, 4),
            "radius": (0.12, 0.24),
            "height": (1.0, 1.7),
            "tip": (0.25, 0.5),
            "fin": (0.15, 0.35),
        },
        synonym="missile",
        pair=("nose", "fins"),
        unseen=(("rounded", 3),),
        sentence="a rocket with a {nose} tip and {fins} fins",
    ),
]
