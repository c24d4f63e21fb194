"""Hand tools, most with an upright handle along z, the working end on top."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def _grip(s: Sketch, length: float, radius: float, form: str) -> None:
    """An upright handle from the ground up."""
    if form == "round":
        s.rod("handle", (0, 0, 0), (0, 0, length), radius)
    elif form == "flat":
        s.box("handle", (2.6 * radius, 1.2 * radius, length), (0, 0, length / 2))
    else:
        s.rod("handle", (0, 0, 0), (0, 0, length), 0.75 * radius)
        s.rod("grip", (0, 0, 0), (0, 0, 0.35 * length), 1.3 * radius)
    word = (
        "{long|thin|slender}"
        if length > 25 * radius
        else "{short|thick|sturdy}"
        if length < 14 * radius
        else "{straight|}"
    )
    tail = {
        "round": "",
        "flat": "{with a flat section|}",
        "thick-gripped": "{with a thick grip|that gets thicker at the grip}",
    }[form]
    s.has(1, f"{word} {{handle|shaft}}", tail, role="handle")


def hammer(a: Attributes) -> Sketch:
    """A heavy head across the end of a handle."""
    s, length, size, head = Sketch(), a["length"], a["head size"], a["head length"]
    _grip(s, length, a["grip"], a["handle"])
    if a["head"] == "block":
        s.box("head", (head, size, size), (0, 0, length))
        s.has(1, "{square|heavy|block-like} head", "{set crosswise|across the end}", role="head")
    elif a["head"] == "barrel":
        s.rod("head", (-head / 2, 0, length), (head / 2, 0, length), 0.6 * size)
        s.has(1, "{round|barrel-shaped|cylindrical} head", "{set crosswise|across the end}", role="head")
    else:
        s.rod("head", (0, 0, length), (head / 2, 0, length), 0.5 * size)
        for y in (-1, 1):
            s.rod("claw", (0.02, y * 0.25 * size, length), (-head / 2, y * 0.45 * size, length - 0.12), 0.2 * size)
        s.has(1, "{split|forked} claw", "{on one side of the head|opposite the striking face}")
        s.has(1, "head", "{set crosswise|across the end}", role="head")
    s.main("{straight|} shaft with a {block|heavy piece} across its end")
    return s


def screwdriver(a: Attributes) -> Sketch:
    """A thick grip with a thin straight blade."""
    s, grip, blade, r = Sketch(), a["grip length"], a["blade length"], a["grip"]
    if a["form"] == "round":
        s.lathe(
            "grip",
            (
                (0, 0),
                (0.8 * r, 0.0),
                (r, 0.1 * grip),
                (0.85 * r, 0.6 * grip),
                (r, 0.8 * grip),
                (0.5 * r, grip),
                (0, grip),
            ),
            (0, 0, 0),
        )
    else:
        outline = [(r * math.cos(t), r * math.sin(t)) for t in (2 * math.pi * i / 6 for i in range(6))]
        s.plate("grip", outline, grip, (0, 0, grip / 2))
    s.has(
        1,
        f"{'{round|rounded}' if a['form'] == 'round' else '{six-sided|faceted}'} {{thick|}} grip",
        "{at one end|}",
        role="grip",
    )
    s.rod("blade", (0, 0, grip), (0, 0, grip + blade), 0.25 * r)
    s.has(1, f"{'{long|thin}' if blade > 1.3 * grip else '{short|stubby}'} {{rod|shank}}", role="blade")
    top = grip + blade
    if a["tip"] == "flat":
        s.plate(
            "tip",
            ((-0.55 * r, 0.14), (-0.25 * r, 0), (0.25 * r, 0), (0.55 * r, 0.14)),
            0.12 * r,
            (0, 0, top),
            (90, 0, 0),
        )
    else:
        s.frustum("tip", 0.25 * r, 0.01, 0.1, (0, 0, top))
    s.has(1, "{flat|flattened} tip" if a["tip"] == "flat" else "pointed tip", role="tip")
    s.main("{thin|straight} rod in a thick grip")
    return s


def wrench(a: Attributes) -> Sketch:
    """A flat bar with jaws or a ring at its ends."""
    s, length, width, thick = Sketch(), a["length"], a["width"], a["thickness"]
    s.box("bar", (width, thick, length), (0, 0, 0))
    s.has(1, "{flat|long|straight} bar", role="bar")
    for end, kind in ((1, a["upper end"]), (-1, a["lower end"])):
        z = end * (length / 2 + 0.1)
        if kind == "ring":
            s.lathe(
                f"{kind}",
                ((0.1, -thick), (0.17, -thick), (0.17, thick), (0.1, thick), (0.1, -thick)),
                (0, 0, z),
                (90, 0, 0),
            )
        else:
            s.lathe(
                f"{kind}",
                ((0.1, -thick), (0.18, -thick), (0.18, thick), (0.1, thick), (0.1, -thick)),
                (0, 0, z),
                (90, 30 if end < 0 else -150, 0),
                (1, 1),
                240.0,
            )
    ends = {a["upper end"], a["lower end"]}
    if len(ends) == 1:
        kind = ends.pop()
        s.has(
            2,
            "{open|forked} jaw" if kind == "jaw" else "{closed|round} ring",
            "{at the ends|one at each end}",
            role=kind,
        )
    else:
        s.has(1, "{open|forked} jaw", "at one end", role="jaw")
        s.has(1, "{closed|round} ring", "at the other end", role="ring")
    s.main("{flat|long} bar {for turning nuts|with shaped ends}")
    if width > 0.13:
        s.overall.append("{broad|wide}")
    return s


def axe(a: Attributes) -> Sketch:
    """A wedge-shaped blade at the side of a handle."""
    s, length, reach, edge = Sketch(), a["length"], a["reach"], a["edge"]
    _grip(s, length, a["grip"], a["handle"])
    z = length - 0.12
    outline = ((0, -0.07), (reach, -edge / 2), (1.08 * reach, 0), (reach, edge / 2), (0, 0.07))
    for side in (1,) if a["blades"] == 1 else (1, -1):
        s.plate("blade", outline, 0.05, (0, 0, z), (90, 0, 0 if side > 0 else 180))
    if a["blades"] == 1:
        s.box("poll", (0.12, 0.09, 0.14), (-0.05, 0, z))
    s.has(
        a["blades"],
        f"{'{wide|broad}' if edge > 0.38 else '{narrow|small}'} {{wedge-shaped|flaring}} blade",
        "{near the top|at the upper end}" if a["blades"] == 1 else "{facing both ways|on opposite sides}",
        role="blade",
    )
    s.main("{straight|} shaft with a {flaring|wedge-shaped} blade at its {side|end}")
    return s


def saw(a: Attributes) -> Sketch:
    """A toothed blade with a grip, lying on its long edge."""
    s, length, high, low = Sketch(), a["length"], a["height"], a["height"] * a["taper"]
    teeth = a["teeth"]
    s.plate("blade", ((0, 0), (length, 0), (length, low), (0, high)), 0.015, (0, 0, 0), (90, 0, 0))
    for i in range(teeth):
        x = length * (i + 0.5) / teeth
        half = 0.5 * length / teeth
        s.plate("tooth", ((x - half, 0), (x, -0.07), (x + half, 0)), 0.015, (0, 0, 0), (90, 0, 0))
    s.has(1, "{toothed|jagged} edge", "{below|along the bottom}")
    s.has(
        1,
        f"{'{long|flat}' if length > 1.2 else '{short|flat}'} blade",
        "{narrowing to the tip|}" if a["taper"] < 0.7 else "",
        role="blade",
    )
    if a["grip"] == "looped":
        s.ring("grip", 0.14, 0.035, (-0.12, 0, 0.5 * high), (90, 0, 0), stretch=(0.9, 1.2))
        s.has(1, "{ring-shaped|closed|looped} grip", "{at one end|}", role="grip")
    else:
        s.rod("grip", (-0.32, 0, 0.45 * high), (0.02, 0, 0.6 * high), 0.045)
        s.has(1, "{straight|rod-like} grip", "{at one end|}", role="grip")
    if a["spine"] == "spine":
        s.rod("spine", (0, 0, high), (length, 0, low), 0.022, True)
        s.has(1, "{thick upper edge|stiff spine along the top}", role="spine")
    s.main("{thin|flat} plate with teeth")
    return s


_HANDLES = ("round", "flat", "thick-gripped")
FAMILIES = [
    Family(
        "hammer",
        hammer,
        {
            "head": ("block", "barrel", "claw"),
            "handle": _HANDLES,
            "length": (0.8, 1.2),
            "grip": (0.03, 0.05),
            "head size": (0.12, 0.24),
            "head length": (0.35, 0.55),
        },
        synonym="mallet",
        pair=("head", "handle"),
        unseen=(("barrel", "flat"),),
        sentence="a hammer with a {head} head and a {handle} handle",
    ),
    Family(
        "screwdriver",
        screwdriver,
        {
            "form": ("round", "six-sided"),
            "tip": ("flat", "pointed"),
            "grip length": (0.35, 0.5),
            "blade length": (0.35, 0.8),
            "grip": (0.07, 0.12),
        },
    ),
    Family(
        "wrench",
        wrench,
        {
            "upper end": ("jaw", "ring"),
            "lower end": ("jaw", "ring"),
            "length": (0.6, 1.1),
            "width": (0.08, 0.16),
            "thickness": (0.03, 0.06),
        },
        synonym="spanner",
    ),
    Family(
        "axe",
        axe,
        {
            "blades": (1, 1, 2),
            "handle": _HANDLES,
            "length": (0.8, 1.2),
            "grip": (0.025, 0.045),
            "reach": (0.24, 0.36),
            "edge": (0.28, 0.5),
        },
        synonym="hatchet",
    ),
    Family(
        "saw",
        saw,
        {
            "grip": ("looped", "straight"),
            "spine": ("spine", "no spine"),
            "teeth": (8, 10, 12),
            "length": (0.9, 1.5),
            "height": (0.28, 0.42),
            "taper": (0.4, 1.0),
        },
    ),
]
