"""Things of the house and the garden, upright along z."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def broom(a: Attributes) -> Sketch:
    """Bristles at the end of a long stick."""
    s, length, width, high = Sketch(), a["length"], a["width"], a["bristles"]
    s.rod("stick", (0, 0, 0.8 * high), (0, 0, length), 0.02)
    s.has(1, "{long|thin|straight} {stick|pole}", role="stick")
    if a["head"] == "wide":
        s.box("crosspiece", (width, 0.09, 0.06), (0, 0, high))
        for i in range(9):
            x = 0.92 * width * (i / 8 - 0.5)
            s.frustum("bristle", 0.035, 0.025, high, (x, 0, 0))
        s.has(1, "{wide|broad} {crosspiece|head}", "{full of bristles|with bristles below}", role="crosspiece")
    elif a["head"] == "bundle":
        for i in range(12):
            t = 2 * math.pi * i / 12
            spread = 0.32 * width
            s.rod(
                "bristle",
                (spread * math.cos(t), spread * math.sin(t), 0),
                (0.02 * math.cos(t), 0.02 * math.sin(t), 1.3 * high),
                0.014,
            )
        s.disc("binding", 0.06, 0.05, (0, 0, 1.15 * high))
        s.has(1, "{round|cone-like} bundle of twigs", "at the bottom")
    else:
        s.plate(
            "fan",
            ((-0.06, 1.2 * high), (-0.4 * width, 0), (0.4 * width, 0), (0.06, 1.2 * high)),
            0.08,
            (0, 0, 0),
            (90, 0, 0),
        )
        s.has(1, "{flat fan|flared tuft} of bristles", "at the bottom", role="fan")
    s.main("{long|thin} stick with {bristles|a brush} at its {end|foot}")
    return s


def umbrella(a: Attributes) -> Sketch:
    """A canopy on a thin pole."""
    s, r, length = Sketch(), a["radius"], a["length"]
    s.rod("pole", (0, 0, 0.1), (0, 0, length + 0.06), 0.018)
    arc = [(r * math.sin(t), a["rise"] * (math.cos(t) - 1)) for t in (1.5, 1.2, 0.9, 0.6, 0.3, 0.0)]
    flat = [(r, -a["rise"]), (0, 0)]
    s.lathe("canopy", arc if a["canopy"] == "domed" else flat, (0, 0, length))
    s.has(
        1,
        f"{'{domed|rounded}' if a['canopy'] == 'domed' else '{cone-shaped|pointed}'} {{canopy|roof}}",
        "{on top|spread out above}",
        role="canopy",
    )
    s.has(1, f"{'{long|tall}' if length > 1.15 else '{thin|straight}'} pole", "{in the middle|}", role="pole")
    if a["end"] == "hook":
        s.ring("hook", 0.08, 0.018, (0.08, 0, 0.1), (-90, 0, 0), 180.0)
        s.has(1, "{hooked|curved} handle", "at the bottom", role="hook")
    elif a["end"] == "stand":
        s.disc("stand", 0.22, 0.08, (0, 0, 0.06))
        s.on(1, "{heavy|round|flat} {foot|base}", role="stand")
    else:
        s.rod("grip", (0, 0, 0), (0, 0, 0.22), 0.035)
        s.has(1, "straight grip", "at the bottom", role="grip")
    s.main("{wide|round} {canopy|spread roof} on a {thin|slender} pole")
    if a["rise"] < 0.25:
        s.says("{nearly flat|shallow} at the top")
    return s


def guitar(a: Attributes) -> Sketch:
    """A waisted flat body with a long neck."""
    s, body, wide, thick, neck = Sketch(), a["body"], a["width"], a["thickness"], a["neck"]
    if a["form"] == "waisted":
        half = [(0.3, 0), (0.5, 0.12), (0.5, 0.3), (0.33, 0.58), (0.4, 0.8), (0.3, 0.97), (0.1, 1.0)]
    elif a["form"] == "pear-shaped":
        half = [(0.25, 0), (0.47, 0.12), (0.5, 0.3), (0.4, 0.6), (0.2, 0.88), (0.06, 1.0)]
    else:
        half = [(0.2, 0.02), (0.43, 0.2), (0.5, 0.5), (0.43, 0.8), (0.2, 0.98)]
    outline = [(x * wide, z * body) for x, z in half] + [(-x * wide, z * body) for x, z in reversed(half)]
    s.plate("body", outline, thick, (0, 0, 0), (90, 0, 0))
    s.box("neck", (0.075, 0.05, neck), (0, -thick / 2, body + neck / 2 - 0.05))
    s.box("head", (0.13, 0.045, 0.2), (0, -thick / 2 + 0.01, body + neck + 0.03), (-8, 0, 0))
    pegs = a["pegs"]
    for i in range(pegs):
        for x in (-1, 1):
            z = body + neck - 0.03 + 0.14 * i / max(1, pegs - 1)
            s.rod("peg", (x * 0.06, -thick / 2, z), (x * 0.11, -thick / 2, z), 0.014)
    s.box("bridge", (0.16, 0.03, 0.04), (0, -thick / 2 - 0.015, 0.22 * body))
    s.main("{flat|hollow} {body|box} with a long neck")
    s.has(
        1,
        {
            "waisted": "{waisted|figure-eight} body",
            "pear-shaped": "{pear-shaped|drop-shaped} body",
            "round": "{round|disc-like} body",
        }[a["form"]],
        role="body",
    )
    s.has(1, f"{'{long}' if neck > 0.85 * body else '{straight|narrow}'} neck", "{above|}", role="neck")
    s.has(2 * pegs, "tuning peg", "{at the head|}", role="peg")
    return s


def ladder(a: Attributes) -> Sketch:
    """Rungs between two rails; folded out, it has a second pair of rails."""
    s, height, width, rungs = Sketch(), a["height"], a["width"], a["rungs"]
    lean = math.tan(math.radians(a["lean"])) * height
    top = width * a["narrowing"]
    for x in (-1, 1):
        s.rod("rail", (x * width / 2, -lean, 0), (x * top / 2, 0, height), 0.03, square=True)
    for i in range(rungs):
        t = (i + 0.6) / rungs
        half = (width + (top - width) * t) / 2
        s.rod("rung", (-half, -lean * (1 - t), height * t), (half, -lean * (1 - t), height * t), 0.024)
    s.main("{tall|upright|narrow} frame with {crossbars|bars across}")
    s.has(rungs, "{rung|crossbar}", "{one above the other|between two rails|}", role="rung")
    if a["form"] == "folding":
        for x in (-1, 1):
            s.rod("support", (x * width / 2, 0.8 * lean + 0.25, 0), (x * top / 2, 0.02, height), 0.025, square=True)
        s.rod(
            "brace",
            (-0.4 * width, 0.4 * lean + 0.14, 0.5 * height),
            (0.4 * width, 0.4 * lean + 0.14, 0.5 * height),
            0.02,
        )
        s.has(2, "{rear leg|rear support}", role="support")
        s.says("{folded out like a letter a|standing by itself}")
    else:
        s.says("{straight|made to lean against a wall}")
    if a["narrowing"] < 0.75:
        s.says("narrowing towards the top")
    return s


def shovel(a: Attributes) -> Sketch:
    """A wide blade on a long shaft."""
    s, length, width, high = Sketch(), a["length"], a["width"], a["blade"]
    s.rod("shaft", (0, 0, 0.8 * high), (0, 0, length), 0.022)
    forms = {
        "pointed": ((-0.5, 1), (-0.5, 0.4), (0, 0), (0.5, 0.4), (0.5, 1)),
        "square": ((-0.5, 1), (-0.5, 0), (0.5, 0), (0.5, 1)),
        "rounded": ((-0.5, 1), (-0.48, 0.3), (-0.25, 0.05), (0.25, 0.05), (0.48, 0.3), (0.5, 1)),
    }
    s.plate("blade", [(x * width, z * high) for x, z in forms[a["form"]]], 0.03, (0, 0, 0), (90 - a["bend"], 0, 0))
    s.has(
        1,
        f"{'{broad|wide}' if width > 0.3 else '{narrow|flat}'} {a['form']} blade",
        "{at the bottom|at the lower end}",
        role="blade",
    )
    s.has(1, "{long|straight} shaft", role="shaft")
    if a["grip"] == "cross grip":
        s.rod("grip", (-0.09, 0, length), (0.09, 0, length), 0.025)
        s.has(1, "{t-shaped|crosswise} grip", "at the top", role="grip")
    elif a["grip"] == "ring grip":
        s.ring("grip", 0.08, 0.022, (0, 0, length + 0.07), (90, 0, 0))
        s.has(1, "{ring-shaped|looped} grip", "at the top", role="grip")
    s.main("{flat|wide} blade on a {long|straight} shaft")
    return s


FAMILIES = [
    Family(
        "broom",
        broom,
        {"head": ("wide", "bundle", "fan"), "length": (1.1, 1.5), "width": (0.35, 0.6), "bristles": (0.15, 0.3)},
        synonym="besom",
    ),
    Family(
        "umbrella",
        umbrella,
        {
            "canopy": ("domed", "pointed"),
            "end": ("hook", "stand", "straight grip"),
            "radius": (0.5, 0.8),
            "length": (0.9, 1.4),
            "rise": (0.18, 0.42),
        },
        synonym="parasol",
        pair=("canopy", "end"),
        unseen=(("pointed", "hook"),),
        sentence="an umbrella with a {canopy} canopy and a {end}",
    ),
    Family(
        "guitar",
        guitar,
        {
            "form": ("waisted", "pear-shaped", "round"),
            "pegs": (2, 3),
            "body": (0.6, 0.8),
            "width": (0.45, 0.65),
            "thickness": (0.07, 0.16),
            "neck": (0.5, 0.85),
        },
        synonym="ukulele",
    ),
    Family(
        "ladder",
        ladder,
        {
            "form": ("straight", "folding"),
            "rungs": (5, 6, 7, 8),
            "height": (1.3, 2.2),
            "width": (0.4, 0.6),
            "lean": (4.0, 14.0),
            "narrowing": (0.55, 1.0),
        },
    ),
    Family(
        "shovel",
        shovel,
        {
            "form": ("pointed", "square", "rounded"),
            "grip": ("cross grip", "ring grip", "plain end"),
            "length": (1.1, 1.5),
            "width": (0.24, 0.38),
            "blade": (0.3, 0.45),
            "bend": (0.0, 20.0),
        },
        synonym="spade",
        pair=("form", "grip"),
        unseen=(("square", "ring grip"),),
        sentence="a shovel with a {form} blade and a {grip}",
    ),
]
