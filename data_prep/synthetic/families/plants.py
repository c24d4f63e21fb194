"""Things that grow."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def tree(a: Attributes) -> Sketch:
    """A trunk with a crown."""
    s, trunk, high, width = Sketch(), a["trunk"], a["crown height"], a["crown width"]
    s.frustum("trunk", a["thickness"], 0.6 * a["thickness"], trunk + 0.3 * high, (0, 0, 0))
    s.on(
        1,
        f"{'{long|tall}' if trunk > 0.6 else '{short}'} {'{thick}' if a['thickness'] > 0.08 else '{thin}'} trunk",
        role="trunk",
    )
    if a["crown"] == "round":
        s.ball("crown", (width, width, high), (0, 0, trunk + high / 2))
        s.has(1, "{round|ball-like|rounded} crown", "{of leaves|}", role="crown")
        s.main("{round|leafy} crown", role="crown")
    elif a["crown"] == "layered":
        for i in range(a["layers"]):
            t = i / a["layers"]
            s.frustum("layer", 0.5 * width * (1 - 0.7 * t), 0.03, 1.5 * high / a["layers"], (0, 0, trunk + high * t))
        s.has(
            a["layers"],
            "{cone-shaped|pointed} layer of branches",
            "{one above the other|}",
            role="layer",
        )
        s.main("{pointed|cone-like} crown")
    elif a["crown"] == "bare":
        for i in range(a["branches"]):
            t = 2 * math.pi * i / a["branches"]
            low = trunk + 0.25 * high * (i % 3) / 2
            tip = (0.5 * width * math.cos(t), 0.5 * width * math.sin(t), low + 0.7 * high)
            s.rod("branch", (0, 0, low), tip, 0.03)
            for turn in (-0.5, 0.5):
                end = (0.68 * width * math.cos(t + turn), 0.68 * width * math.sin(t + turn), low + 0.95 * high)
                s.rod("twig", (tip[0] * 0.6, tip[1] * 0.6, low + 0.42 * high), end, 0.015)
        s.has(a["branches"], "{bare|leafless} branch", "{spreading upwards|forking into twigs}", role="branch")
        s.main("{branching|forked} {form|structure}")
    else:
        for i in range(a["branches"] + 2):
            t = 360.0 * i / (a["branches"] + 2)
            s.plate(
                "frond",
                ((0, -0.03), (0.4 * width, -0.1), (0.75 * width, 0), (0.4 * width, 0.1), (0, 0.03)),
                0.02,
                (0, 0, trunk + 0.3 * high),
                (0, 22, t),
            )
        s.has(a["branches"] + 2, "{long|drooping} frond", "{spreading from the top|}", role="frond")
        s.main("{tuft|bunch} of {long|drooping} fronds")
    return s


def potted_plant(a: Attributes) -> Sketch:
    """Leaves rising from a round container."""
    s, r, high = Sketch(), a["pot radius"], a["pot height"]
    if a["pot"] == "round":
        s.vessel("pot", [(0.7 * r, 0), (r, high)], 0.03)
    else:
        s.box("pot", (1.8 * r, 1.8 * r, high), (0, 0, high / 2))
    s.disc("soil", 0.85 * r, 0.03, (0, 0, 0.85 * high))
    s.on(1, f"{'{round|tapered}' if a['pot'] == 'round' else '{square|boxy}'} {{container|planter}}", role="pot")
    leaves, long = a["leaves"], a["leaf length"]
    for i in range(leaves):
        t = 360.0 * i / leaves
        lift = -(a["lift"] + 12 * (i % 3))
        outline = ((0, -0.02), (0.5 * long, -0.09), (long, 0), (0.5 * long, 0.09), (0, 0.02))
        s.plate("leaf", outline, 0.015, (0, 0, 0.9 * high), (0, lift, t))
    s.has(
        leaves,
        f"{'{long|pointed}' if long > 0.65 else '{short|pointed}'} leaf",
        "{spreading from the middle|}",
        role="leaf",
    )
    s.main("{tuft|bunch} of leaves")
    s.says("{upright|standing up} in its leaves" if a["lift"] > 50 else "{spreading wide|spread out to the sides}")
    return s


def cactus(a: Attributes) -> Sketch:
    """A thick column with bent arms."""
    s, r, high = Sketch(), a["radius"], a["height"]
    s.disc("column", r, high, (0, 0, high / 2))
    s.dome("column top", r, r, (0, 0, high))
    for i in range(a["arms"]):
        side, z = (1 if i % 2 == 0 else -1), high * (0.35 + 0.12 * i)
        out = side * (r + a["reach"])
        s.rod("arm root", (0, 0, z), (out, 0, z), 0.6 * r)
        s.ball("elbow", (1.2 * r, 1.2 * r, 1.2 * r), (out, 0, z))
        s.rod("arm", (out, 0, z), (out, 0, z + a["arm length"]), 0.6 * r)
        s.dome("arm top", 0.6 * r, 0.6 * r, (out, 0, z + a["arm length"]))
    s.main("{round|upright} column", role="column")
    s.has(1, "{round|upright} column", role="column")
    where = "{at one side|}" if a["arms"] == 1 else "{at the sides|}"
    s.has(a["arms"], "{upright|bent|raised} {arm|side branch}", where, role="arm")
    if a["pot"] == "pot":
        s.frustum("pot", 1.5 * r, 2 * r, 0.3, (0, 0, -0.25))
        s.on(1, "{small|tapered} planter", role="pot")
    else:
        s.says("growing from the ground")
    return s


def mushroom(a: Attributes) -> Sketch:
    """A cap on a stem."""
    s, r, stem = Sketch(), a["cap"], a["stem"]
    s.frustum("stem", 0.3 * r * a["thickness"], 0.22 * r * a["thickness"], stem + 0.05, (0, 0, 0))
    high = {"domed": 0.65 * r, "flat": 0.2 * r, "pointed": 1.1 * r}[a["form"]]
    if a["form"] == "pointed":
        s.frustum("cap", r, 0.04, high, (0, 0, stem))
    else:
        s.dome("cap", r, high, (0, 0, stem))
    words = {"domed": "{domed|rounded}", "flat": "{flat|disc-like}", "pointed": "{pointed|cone-shaped}"}[a["form"]]
    s.main(f"{words} {{cap|hood}}", role="cap")
    s.has(1, f"{words} cap", role="cap")
    thick = "{thick|fat}" if a["thickness"] > 1.15 else "{thin|slim}" if a["thickness"] < 0.85 else ""
    s.on(
        1,
        f"{'{tall|long}' if stem > 0.75 else '{short|low}' if stem < 0.5 else ''} {thick} {{stem|stalk}}",
        role="stem",
    )
    if a["skirt"] == "skirt":
        s.ring("skirt", 0.32 * r * a["thickness"], 0.03, (0, 0, 0.6 * stem))
        s.has(1, "{ring|collar}", "around the {stem|stalk}", role="skirt")
    return s


FAMILIES = [
    Family(
        "tree",
        tree,
        {
            "crown": ("round", "layered", "bare", "palm"),
            "layers": (3, 4),
            "branches": (4, 5, 6, 7),
            "trunk": (0.35, 0.9),
            "thickness": (0.05, 0.12),
            "crown height": (0.6, 1.1),
            "crown width": (0.6, 1.1),
        },
        synonym="sapling",
    ),
    Family(
        "potted plant",
        potted_plant,
        {
            "pot": ("round", "square"),
            "leaves": (6, 8, 10, 12),
            "pot radius": (0.22, 0.35),
            "pot height": (0.3, 0.5),
            "leaf length": (0.5, 0.85),
            "lift": (30.0, 65.0),
        },
        synonym="houseplant",
    ),
    Family(
        "cactus",
        cactus,
        {
            "arms": (1, 2, 3),
            "pot": ("pot", "no pot"),
            "radius": (0.12, 0.2),
            "height": (0.9, 1.4),
            "reach": (0.12, 0.3),
            "arm length": (0.25, 0.5),
        },
        synonym="succulent",
    ),
    Family(
        "mushroom",
        mushroom,
        {
            "form": ("domed", "flat", "pointed"),
            "skirt": ("skirt", "no skirt"),
            "cap": (0.35, 0.6),
            "stem": (0.4, 0.9),
            "thickness": (0.7, 1.4),
        },
        synonym="toadstool",
    ),
]
