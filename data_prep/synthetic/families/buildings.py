"""Buildings to live and meet in. The front looks towards -y."""

from __future__ import annotations

import math

from data_prep.synthetic.families.roofs import gable_roof, hip_roof
from data_prep.synthetic.sketch import Attributes, Family, Sketch


def house(a: Attributes) -> Sketch:
    """Walls below a pitched roof, with a door and windows."""
    s, width, depth, high, roof = Sketch(), a["width"], a["depth"], a["wall"], a["roof height"]
    floors = 2 if a["floors"] == "two floors" else 1
    wall = high * (1.7 if floors == 2 else 1.0)
    s.box("wall", (width, depth, wall), (0, 0, wall / 2))
    if a["roof"] == "gable":
        gable_roof(s, "roof", 1.1 * width, 1.15 * depth, roof, (0, 0, wall))
        s.has(
            1,
            f"{'{steep|pointed}' if roof > 0.6 * depth else '{gabled|pitched}'} roof",
            "{of two slopes|with a ridge}",
            role="roof",
        )
    elif a["roof"] == "hipped":
        hip_roof(s, "roof slope", 1.12 * width, 1.12 * depth, roof, (0, 0, wall))
        s.has(4, "roof slope", "{that meet in a point|rising to a point}", role="roof slope")
    else:
        s.box("roof", (1.1 * width, 1.12 * depth, 0.07), (0, 0, wall + 0.035))
        s.has(1, "flat roof", "{that overhangs|}", role="roof")
    s.box("door", (0.18, 0.08, 0.42), (0.0, -depth / 2, 0.21))
    s.has(1, "door", "{in front|in the middle|}", role="door")
    windows = a["windows"]
    for floor in range(floors):
        for i in range(windows):
            for x in (-1, 1):
                at = x * (0.12 + (width / 2 - 0.12) * (i + 0.55) / windows)
                s.box("window", (0.14, 0.08, 0.2), (at, -depth / 2, wall * (floor + 0.6) / floors))
    s.has(2 * windows * floors, "window", "{in front|}", role="window")
    s.main("{rectangular|boxy} {block|building} {with a roof|under a roof}")
    s.has(None, "two {floors|storeys}" if floors == 2 else "a single {floor|storey}")
    if a["chimney"] == "chimney":
        s.box("chimney", (0.12, 0.12, roof + 0.25), (0.3 * width, 0.1 * depth, wall + (roof + 0.25) / 2))
        s.has(1, "{square|} chimney", "{on the roof|}", role="chimney")
    return s


def _battlements(s: Sketch, form: str, r: float, z: float) -> None:
    """A platform with eight blocks around its edge."""
    s.slab("platform", form, (2.5 * r, 2.5 * r, 0.1), (0, 0, z))
    for i in range(8):
        t = math.pi / 4 * i
        reach = 1.1 * r if form == "round" else 1.1 * r / max(abs(math.cos(t)), abs(math.sin(t)))
        at = (reach * math.cos(t), reach * math.sin(t), z + 0.13)
        s.box("merlon", (0.3 * r, 0.3 * r, 0.2), at, (0, 0, 45.0 * i if form == "round" else 0))
    s.has(8, "{upright block|merlon|tooth}", "around the top", role="merlon")


def tower(a: Attributes) -> Sketch:
    """A tall shaft, with battlements, a flat top or a pointed roof."""
    s, r, high, form = Sketch(), a["radius"], a["height"], a["form"]
    s.slab("shaft", form, (2 * r, 2 * r, high), (0, 0, high / 2))
    s.has(1, f"{'{round|cylindrical}' if form == 'round' else '{square|four-sided}'} shaft", role="shaft")
    if a["top"] == "battlements":
        _battlements(s, form, r, high)
    elif a["top"] == "a flat top":
        s.slab("lid", form, (2.4 * r, 2.4 * r, 0.08), (0, 0, high))
        s.has(1, "{flat|projecting} top", role="lid")
    elif form == "round":
        s.frustum("roof", 1.2 * r, 0.005, a["roof height"], (0, 0, high))
        s.has(1, "{pointed|conical} roof", role="roof")
    else:
        hip_roof(s, "roof slope", 2.3 * r, 2.3 * r, a["roof height"], (0, 0, high))
        s.has(1, "{pointed|pyramid-shaped} roof")
    windows = a["windows"]
    for i in range(windows):
        s.box("window", (0.3 * r, 0.12, 0.16), (0, -r, high * (i + 0.8) / (windows + 0.5)))
    s.has(windows, "{small|narrow} window", "{one above the other|}" if windows > 1 else "", role="window")
    outline = "{round|cylindrical}" if form == "round" else "{square|boxy}"
    s.main(f"{{tall|high}} {outline} {{shaft|building}}", role="shaft")
    return s


def church(a: Attributes) -> Sketch:
    """A long hall with a steeple at its end."""
    s, length, width, wall = Sketch(), a["length"], a["width"], a["wall"]
    s.box("hall", (length, width, wall), (0, 0, wall / 2))
    gable_roof(s, "roof", length, 1.1 * width, a["roof height"], (0, 0, wall))
    s.main("{long|large} {hall|building} with a {steeple|spire}")
    s.has(1, "{long|pitched|gabled} roof", role="roof")
    side, high = a["steeple width"], a["steeple"]
    x = -length / 2 - side / 2
    s.box("steeple", (side, side, high), (x, 0, high / 2))
    s.has(1, f"{'{tall|high}' if high > 1.6 * wall else '{square|low}'} steeple", "at one end", role="steeple")
    if a["spire"] == "pointed":
        hip_roof(s, "spire slope", 1.1 * side, 1.1 * side, a["spire height"], (x, 0, high))
        s.has(1, "{pointed|sharp} spire")
    elif a["spire"] == "onion":
        s.lathe(
            "dome",
            [(0.45 * side, 0), (0.7 * side, 0.2), (0.5 * side, 0.42), (0.12 * side, 0.55), (0.02, 0.85)],
            (x, 0, high),
        )
        s.has(1, "{onion-shaped|bulbous} dome", "on the steeple", role="dome")
    else:
        s.box("lid", (1.2 * side, 1.2 * side, 0.08), (x, 0, high))
        s.says("flat on top of the steeple")
    if a["transept"] == "a transept":
        s.box("transept", (0.28 * length, 1.9 * width, wall), (0.15 * length, 0, wall / 2))
        s.plate(
            "cross roof",
            ((-0.16 * length, 0), (0.16 * length, 0), (0, a["roof height"])),
            1.9 * width,
            (0.15 * length, 0, wall),
            (90, 0, 0),
        )
        s.has(1, "{cross wing|transept}", "{that makes the plan a cross|}", role="transept")
    windows = a["windows"]
    for i in range(windows):
        for y in (-1, 1):
            s.box("window", (0.1, 0.06, 0.3), (length * ((i + 0.5) / windows - 0.5), y * width / 2, 0.55 * wall))
    s.has(2 * windows, "{tall|narrow} window", "{along the sides|}", role="window")
    return s


def tent(a: Attributes) -> Sketch:
    """Cloth over poles: a ridge, a pyramid, a cone or a dome."""
    s, width, length, high = Sketch(), a["width"], a["length"], a["height"]
    if a["form"] == "ridge":
        for y in (-1, 1):
            slope = math.hypot(width / 2, high)
            s.box(
                "slope",
                (0.02, length, slope),
                (y * width / 4, 0, high / 2),
                (0, -y * math.degrees(math.atan2(width / 2, high)), 0),
            )
        s.plate("rear", ((-width / 2, 0), (width / 2, 0), (0, high)), 0.02, (0, length / 2, 0), (90, 0, 0))
        s.rod("pole", (0, -length / 2, 0), (0, -length / 2, high), 0.02)
        s.has(2, "{slanting|sloping} {side|wall}", "{that meet in a ridge|meeting along a ridge}", role="slope")
        s.says("open {in front|at one end}")
    elif a["form"] == "pyramid":
        hip_roof(s, "slope", width, length, high, (0, 0, 0.0))
        s.has(4, "{sloping|triangular} side", "{meeting in a point|}", role="slope")
    elif a["form"] == "cone":
        s.lathe("cloth", ((0.55 * width, 0), (0.04, high)), (0, 0, 0), (0, 0, -60.0), (1, 1), 310.0)
        for i in range(5):
            t = 2 * math.pi * i / 5
            s.rod("pole", (0, 0, high - 0.05), (0.14 * math.cos(t), 0.14 * math.sin(t), high + 0.25), 0.018)
        s.has(5, "pole", "{sticking out at the top|crossing above the top}", role="pole")
        s.has(1, "{round|conical} {cloth|cover}", role="cloth")
    else:
        s.dome("cloth", 0.6 * width, 0.8 * high, (0, 0, 0))
        s.box("tunnel", (0.4, 0.3, 0.4 * high), (0, -0.6 * width, 0.2 * high))
        s.has(1, "{rounded|domed} {cloth|cover}", role="cloth")
        s.has(1, "{low|small} {tunnel|entrance}", "in front", role="tunnel")
    s.main(
        {
            "ridge": "{light|low} shelter with a ridge",
            "pyramid": "{light|pointed} shelter",
            "cone": "{round|pointed} shelter",
            "dome": "{rounded|round} shelter",
        }[a["form"]]
    )
    if a["ropes"] > 0:
        for i in range(a["ropes"]):
            t = 2 * math.pi * (i + 0.5) / a["ropes"]
            s.rod(
                "rope",
                (0.85 * width * math.cos(t), 0.85 * length * math.sin(t), 0),
                (0.25 * width * math.cos(t), 0.25 * length * math.sin(t), 0.5 * high),
                0.01,
            )
        s.has(a["ropes"], "{rope|taut rope}", "{stretched to the ground|}", role="rope")
    return s


FAMILIES = [
    Family(
        "house",
        house,
        {
            "roof": ("gable", "hipped", "flat"),
            "floors": ("one floor", "one floor", "two floors"),
            "windows": (1, 2),
            "chimney": ("chimney", "no chimney"),
            "width": (1.1, 1.8),
            "depth": (0.8, 1.1),
            "wall": (0.5, 0.7),
            "roof height": (0.3, 0.75),
        },
        synonym="cottage",
        pair=("roof", "floors"),
        unseen=(("hipped", "one floor"),),
        sentence="a house with a {roof} roof and {floors}",
    ),
    Family(
        "tower",
        tower,
        {
            "form": ("round", "square"),
            "top": ("battlements", "a flat top", "a pointed roof"),
            "windows": (1, 2, 3),
            "radius": (0.2, 0.36),
            "height": (1.2, 2.0),
            "roof height": (0.4, 0.7),
        },
        synonym="turret",
        pair=("form", "top"),
        unseen=(("square", "battlements"),),
        sentence="a {form} tower with {top}",
    ),
    Family(
        "church",
        church,
        {
            "spire": ("pointed", "onion", "flat"),
            "transept": ("a transept", "no transept"),
            "windows": (2, 3, 4),
            "length": (1.2, 1.8),
            "width": (0.6, 0.85),
            "wall": (0.5, 0.75),
            "roof height": (0.35, 0.6),
            "steeple": (1.0, 1.6),
            "steeple width": (0.32, 0.46),
            "spire height": (0.5, 1.0),
        },
        synonym="chapel",
        pair=("spire", "transept"),
        unseen=(("onion", "a transept"),),
        sentence="a church with a {spire} spire and {transept}",
    ),
    Family(
        "tent",
        tent,
        {
            "form": ("ridge", "pyramid", "cone", "dome"),
            "ropes": (0, 4, 6),
            "width": (0.9, 1.3),
            "length": (1.1, 1.7),
            "height": (0.7, 1.3),
        },
        synonym="wigwam",
    ),
]
