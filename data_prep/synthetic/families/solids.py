"""Plain solids."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def cone(a: Attributes) -> Sketch:
    """A round base that narrows to a point or to a small flat top."""
    s, r, high = Sketch(), a["radius"], a["height"]
    tip = 0.005 if a["tip"] == "pointed" else 0.3 * r
    z = a["plate"] if a["base"] == "plate" else 0.0
    s.frustum("body", r, tip, high, (0, 0, z))
    s.main("{round|circular} solid {narrowing|tapering} {upwards|towards the top}")
    s.says(
        "{ending in a sharp point|pointed at the top}"
        if a["tip"] == "pointed"
        else "{cut off flat at the top|blunt at the top}"
    )
    if a["base"] == "plate":
        s.box("plate", (2.3 * r, 2.3 * r, z), (0, 0, z / 2))
        s.on(1, "{square|flat} plate", role="plate")
    if a["bands"]:
        for i in range(a["bands"]):
            t = (i + 1) / (a["bands"] + 1)
            s.ring("band", r + (tip - r) * t, 0.03, (0, 0, z + high * t))
        s.has(a["bands"], "{raised|round} band", "{around it|}", role="band")
    s.overall.extend(["{steep|slender}"] if high > 3 * r else ["{flat|wide}"] if high < 1.4 * r else [])
    return s


def ring(a: Attributes) -> Sketch:
    """A bent bar closed on itself."""
    s, tube = Sketch(), a["tube"]
    turn = {"lying flat": (0.0, 0.0, 0.0), "standing upright": (90.0, 0.0, 0.0), "leaning": (45.0, 0.0, 0.0)}[a["pose"]]
    if a["section"] == "round":
        s.ring("loop", 0.5, tube, (0, 0, 0), turn, 360.0, (1, a["oval"]))
    else:
        outline = (
            (0.5 - tube, -tube),
            (0.5 + tube, -tube),
            (0.5 + tube, tube),
            (0.5 - tube, tube),
            (0.5 - tube, -tube),
        )
        s.lathe("loop", outline, (0, 0, 0), turn, (1, a["oval"]))
    thick = "{thick|fat}" if tube > 0.15 else "{thin|slim}" if tube < 0.09 else ""
    form = "{oval|stretched}" if a["oval"] < 0.75 else "{circular|round}" if a["oval"] > 0.9 else ""
    s.main(f"{thick} {form} {{loop|closed band}}", role="loop")
    s.has(1, "{hole|opening}", "{in the middle|through the middle}", claim="hole")
    s.says(a["pose"])
    s.says("{round|rounded} in section" if a["section"] == "round" else "{square|angular} in section")
    if "thick" in thick or "thin" in thick:
        s.overall.append(thick)
    return s


def pyramid(a: Attributes) -> Sketch:
    """Flat sides rising to a point from a base of three to six corners."""
    s, sides, high, r = Sketch(), a["sides"], a["height"], 0.5
    levels = a["layers"] if a["form"] == "stepped" else 1
    outline = [(r * math.cos(2 * math.pi * i / sides), r * math.sin(2 * math.pi * i / sides)) for i in range(sides)]
    if levels > 1:
        for i in range(levels):
            size = 1 - i / levels
            s.plate(
                "layer", [(x * size, y * size) for x, y in outline], high / levels, (0, 0, high * (i + 0.5) / levels)
            )
        s.has(levels, "layer", "{each smaller than the one below|getting smaller upwards}", role="layer")
        s.main("{layered|stepped} solid")
    else:
        edge, apothem = 2 * r * math.sin(math.pi / sides), r * math.cos(math.pi / sides)
        slope, angle = math.hypot(high, apothem), math.degrees(math.atan2(high, apothem))
        for i in range(sides):
            t = 2 * math.pi * (i + 0.5) / sides
            at = (apothem * math.cos(t), apothem * math.sin(t), 0.0)
            s.plate("face", ((-edge / 2, 0), (edge / 2, 0), (0, slope)), 0.005, at, (angle, 0, math.degrees(t) + 90))
        s.plate("base", outline, 0.01, (0, 0, 0.005))
        s.has(sides, "{triangular|sloping} face", "{meeting in a point|rising to a point}", role="face")
        s.main("{pointed|flat-sided} solid {with sloping faces|}")
    base = {
        3: "{triangular|three-cornered}",
        4: "{square|four-cornered}",
        5: "{five-sided|five-cornered}",
        6: "{six-sided|six-cornered}",
    }
    s.has(1, f"{base[sides]} base")
    s.overall.extend(["{steep|tall}"] if high > 0.95 else ["{flat|low}"] if high < 0.6 else [])
    return s


def capsule(a: Attributes) -> Sketch:
    """A cylinder with rounded ends."""
    s, r, half = Sketch(), a["radius"], a["length"] / 2
    turn = {"upright": (0.0, 0.0, 0.0), "lying": (0.0, 90.0, 0.0), "slanting": (0.0, 40.0, 0.0)}[a["pose"]]
    cap = a["roundness"] * r
    low = [(r * math.sin(t), -half - cap * math.cos(t)) for t in (0.0, 0.4, 0.8, 1.2)]
    outline = [*low, (r, -half), (r, half), *[(x, -z) for x, z in reversed(low)]]
    s.lathe("body", outline, (0, 0, 0), turn)
    s.main("{round|cylindrical} {bar|body} with {rounded|domed} ends")
    s.says(
        {
            "upright": "{upright|standing on end}",
            "lying": "{lying on its side|horizontal}",
            "slanting": "{slanting|tilted}",
        }[a["pose"]]
    )
    s.has(2, "{rounded|blunt|domed} end")
    if a["seam"] == "seam":
        axis = {"upright": (0.0, 0.0, 0.0), "lying": (0.0, 90.0, 0.0), "slanting": (0.0, 40.0, 0.0)}[a["pose"]]
        s.ring("seam", r, 0.03, (0, 0, 0), axis)
        s.has(1, "{raised band|ridge}", "{around the middle|}", role="seam")
    s.overall.append("{slender|long}" if half > 2.2 * r else "{stubby|short}" if half < 1.2 * r else "smooth")
    return s


def dumbbell(a: Attributes) -> Sketch:
    """Two weights joined by a bar."""
    s, half, r = Sketch(), a["length"] / 2, a["weight"]
    s.rod("bar", (-half - 0.1, 0, 0), (half + 0.1, 0, 0), a["bar"])
    s.has(
        1,
        f"{'{long}' if half > 0.5 else '{short}'} {'{thick}' if a['bar'] > 0.055 else '{thin}'} bar",
        "in the middle",
        role="bar",
    )
    for side in (-1, 1):
        if a["form"] == "balls":
            s.ball("weight", (2 * r, 2 * r, 2 * r), (side * half, 0, 0))
            continue
        for i in range(a["discs"]):
            s.disc("weight", r * (1 - 0.2 * i), 0.09, (side * (half - 0.1 * i), 0, 0), (0, 90, 0))
    count = 1 if a["form"] == "balls" else a["discs"]
    s.has(
        2 * count,
        "{ball|round weight}" if a["form"] == "balls" else "{disc|round plate}",
        "{at the ends|}",
        role="weight",
    )
    s.says("{symmetric|the same at both ends}")
    s.main("{straight|} bar with {weights|heavy pieces} at its ends")
    return s


FAMILIES = [
    Family(
        "cone",
        cone,
        {
            "tip": ("pointed", "cut off"),
            "base": ("plate", "no plate"),
            "bands": (0, 1, 2),
            "radius": (0.3, 0.6),
            "height": (0.7, 1.4),
            "plate": (0.05, 0.12),
        },
    ),
    Family(
        "ring",
        ring,
        {
            "section": ("round", "square"),
            "pose": ("lying flat", "standing upright", "leaning"),
            "tube": (0.05, 0.22),
            "oval": (0.55, 1.0),
        },
        synonym="doughnut",
        pair=("section", "pose"),
        unseen=(("square", "leaning"),),
        sentence="a ring of {section} section, {pose}",
    ),
    Family(
        "pyramid",
        pyramid,
        {"form": ("smooth", "stepped"), "sides": (3, 4, 5, 6), "layers": (4, 5, 6), "height": (0.45, 1.2)},
        synonym="ziggurat",
    ),
    Family(
        "capsule",
        capsule,
        {
            "pose": ("upright", "lying", "slanting"),
            "seam": ("seam", "no seam"),
            "radius": (0.2, 0.35),
            "length": (0.5, 1.3),
            "roundness": (0.7, 1.1),
        },
        synonym="pill",
    ),
    Family(
        "dumbbell",
        dumbbell,
        {
            "form": ("balls", "discs"),
            "discs": (1, 2),
            "length": (0.7, 1.3),
            "weight": (0.16, 0.3),
            "bar": (0.035, 0.07),
        },
        synonym="barbell",
    ),
]
