"""Things on wheels. They look along x."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def _wheels(s: Sketch, places: list[float], track: float, radius: float, thick: float) -> None:
    """A wheel on each side at every x of `places`, standing on the ground."""
    for x in places:
        for y in (-track / 2, track / 2):
            s.disc("wheel", radius, thick, (x, y, radius), (90, 0, 0))
    size = "{large|big}" if radius > 0.24 else "{small|low}" if radius < 0.17 else ""
    s.on(2 * len(places), f"{size} wheel", role="wheel")


def car(a: Attributes) -> Sketch:
    """A body with a cabin on four wheels."""
    s, length, width, wheel = Sketch(), a["length"], a["width"], a["wheel"]
    low, body = 0.6 * wheel, a["body"]
    top = low + body
    s.box("body", (length, width, body), (0, 0, low + body / 2))
    roof, half = a["cabin"], 0.5 * length
    outlines = {
        "notchback": ((-0.62, 0), (0.5, 0), (0.25, 1), (-0.35, 1)),
        "hatchback": ((-1.0, 0), (0.45, 0), (0.2, 1), (-0.8, 1)),
        "wagon": ((-1.0, 0), (0.5, 0), (0.25, 1), (-0.98, 1)),
        "pickup": ((-0.15, 0), (0.55, 0), (0.35, 1), (-0.1, 1)),
    }
    outline = [(x * half, z * roof) for x, z in outlines[a["form"]]]
    s.plate("cabin", outline, 0.86 * width, (0, 0, top), (90, 0, 0))
    s.main("{long|low} {body|block} with a {cabin|raised middle|glazed top}")
    texts = {
        "notchback": "{cabin|raised cabin} in the middle",
        "hatchback": "cabin that slopes down at the back",
        "wagon": "{long cabin|cabin} that reaches to the back",
        "pickup": "{short cabin|cabin} before {an open|a flat} loading bed",
    }
    s.has(1, texts[a["form"]], role="cabin")
    if a["form"] == "pickup":
        for y in (-1, 1):
            s.box("bed wall", (0.42 * length, 0.05, 0.16), (-0.28 * length, y * (width / 2 - 0.03), top + 0.08))
        s.box("bed wall", (0.05, width, 0.16), (-0.48 * length, 0, top + 0.08))
    _wheels(s, [-0.3 * length, 0.31 * length], width, wheel, 0.14)
    s.overall.append("{long|stretched}" if length > 2.3 else "{short|compact}" if length < 1.75 else "")
    s.overall = [text for text in s.overall if text]
    return s


def truck(a: Attributes) -> Sketch:
    """A high cab in front of a load."""
    s, cab, load, width, wheel = Sketch(), a["cab"], a["load length"], a["width"], a["wheel"]
    low, length = wheel * 1.1, a["cab"] + a["load length"]
    front = length / 2
    s.box("chassis", (length, 0.7 * width, 0.1), (0, 0, low))
    s.box("cab", (cab, width, a["cab height"]), (front - cab / 2, 0, low + a["cab height"] / 2))
    x, z, long = -front + load / 2 - 0.05, low + 0.05, load - 0.1
    s.has(1, "{high|boxy|upright} {cab|driver's cab}", "{in front|at the front}", role="cab")
    if a["load"] == "box":
        s.box("load", (long, width, a["load height"]), (x, 0, z + a["load height"] / 2))
        s.has(1, "{large|long|closed} {box|cargo box}", "behind the cab", role="load")
    elif a["load"] == "tank":
        s.rod("load", (x - long / 2, 0, z + 0.45 * width), (x + long / 2, 0, z + 0.45 * width), 0.45 * width)
        s.has(1, "{round|cylindrical|lying} tank", "behind the cab", role="load")
    elif a["load"] == "open bed":
        s.box("load", (long, width, 0.06), (x, 0, z + 0.03))
        for y in (-1, 1):
            s.box("bed wall", (long, 0.05, 0.3), (x, y * (width / 2 - 0.03), z + 0.18))
        s.box("bed wall", (0.05, width, 0.3), (x - long / 2, 0, z + 0.18))
        s.has(1, "{open loading bed|flat bed with low walls}", "behind the cab", role="load")
    else:
        s.rod("load", (x - 0.35 * long, 0, z + 0.62), (x + 0.35 * long, 0, z + 0.42), 0.45 * width)
        s.box("load bed", (0.5 * long, 0.5 * width, 0.3), (x, 0, z + 0.15))
        s.has(1, "{slanting|tilted} drum", "behind the cab", role="load")
    s.main("{boxy|heavy|long} {cab with a load|body with a cab}")
    axles = a["axles"]
    rear = [-front + 0.2 * load + i * 2.3 * wheel for i in range(axles - 1)]
    _wheels(s, [*rear, front - 0.5 * cab], width, wheel, 0.16)
    return s


def bus(a: Attributes) -> Sketch:
    """A long box with rows of windows, on wheels."""
    s, length, width, height, wheel = Sketch(), a["length"], 0.75, a["height"], a["wheel"]
    decks, low = 2 if a["decks"] == "two decks" else 1, 0.8 * a["wheel"]
    high = height * (1.6 if decks == 2 else 1.0)
    s.box("body", (length, width, high), (0, 0, low + high / 2))
    windows = a["windows"]
    for deck in range(decks):
        z = low + high * ((deck + 0.62) / decks)
        for i in range(windows):
            x = length * ((i + 0.5) / windows - 0.5)
            for y in (-1, 1):
                s.box("window", (0.7 * length / windows, 0.06, 0.3 * high / decks), (x, y * width / 2, z))
    s.main("{long|large} {box|block} with rows of windows")
    s.has(decks, "row of {windows|raised panes}", "{along each side|on both sides}")
    s.has(windows * decks * 2, "window", "in all", role="window")
    s.has(None, "two decks" if decks == 2 else "a single deck")
    _wheels(
        s,
        [-0.33 * length, 0.33 * length] if a["axles"] == 2 else [-0.36 * length, -0.22 * length, 0.33 * length],
        width,
        wheel,
        0.14,
    )
    if a["roof box"] == "roof box":
        s.box("roof box", (0.3 * length, 0.5 * width, 0.12), (-0.1 * length, 0, low + high + 0.06))
        s.has(1, "{flat box|low box}", "on the roof", role="roof box")
    return s


def bicycle(a: Attributes) -> Sketch:
    """Two thin wheels in a frame of bars."""
    s, r, base = Sketch(), a["wheel"], a["base"]
    front, rear = (base / 2, 0.0, r), (-base / 2, 0.0, r)
    for centre in (front, rear):
        s.ring("wheel", r, a["tyre"], centre, (90, 0, 0))
        for i in range(a["spokes"]):
            t = math.pi * i / a["spokes"]
            dx, dz = r * math.cos(t), r * math.sin(t)
            s.rod("spoke", (centre[0] - dx, 0, r - dz), (centre[0] + dx, 0, r + dz), 0.006)
    saddle, crank, head = (
        (-0.16 * base, 0.0, 2 * r + a["saddle"]),
        (-0.04 * base, 0.0, 0.8 * r),
        (0.34 * base, 0.0, 2 * r + 0.05),
    )
    if a["frame"] == "diamond":
        s.rod("bar", head, (-0.13 * base, 0, 2 * r), 0.02)
        s.has(1, "{level top bar|diamond-shaped frame}")
    else:
        s.has(1, "{low frame|frame that dips in the middle}")
    for start, end in (
        (head, crank),
        (crank, saddle),
        (crank, rear),
        (rear, (-0.13 * base, 0, 2 * r - 0.05)),
        (head, front),
    ):
        s.rod("bar", start, end, 0.02)
    s.box("saddle", (0.24, 0.13, 0.05), saddle)
    s.rod("bar", head, (head[0] - 0.02, 0, head[2] + 0.14), 0.02)
    s.rod("handlebar", (head[0] - 0.02, -0.25, head[2] + 0.14), (head[0] - 0.02, 0.25, head[2] + 0.14), 0.018)
    s.main("{thin|open} frame of bars")
    s.on(
        2,
        f"{'{large|big}' if r > 0.34 else '{thin|narrow}'} {{spoked|open}} wheel",
        "{one behind the other|in line}",
        role="wheel",
    )
    s.has(1, "{crosswise|} handlebar", "{in front|}", role="handlebar")
    s.has(1, "{small|narrow} saddle", role="saddle")
    return s


def wagon(a: Attributes) -> Sketch:
    """A train wagon on rails."""
    s, length, width, high = Sketch(), a["length"], 0.55, a["height"]
    r, low = 0.09, 0.22
    s.box("floor", (length, width, 0.08), (0, 0, low))
    if a["load"] == "passengers":
        s.box("body", (0.97 * length, width, high), (0, 0, low + high / 2))
        s.lathe(
            "roof",
            ((0, -0.485 * length), (0.5 * width, -0.485 * length), (0.5 * width, 0.485 * length), (0, 0.485 * length)),
            (0, 0, low + high),
            (90, 0, 90),
            (1, 0.35),
            180.0,
        )
        s.has(1, "{rounded|curved} roof", role="roof")
        s.says("{long and closed|closed on all sides}")
    elif a["load"] == "tank":
        s.rod("tank", (-0.46 * length, 0, low + 0.3), (0.46 * length, 0, low + 0.3), 0.27)
        s.disc("dome", 0.1, 0.16, (0, 0, low + 0.6))
        s.has(1, "{lying|long} {cylinder|tank}", "{with a small dome|}", role="tank")
    else:
        for y in (-1, 1):
            s.box("wall", (0.97 * length, 0.04, 0.6 * high), (0, y * width / 2, low + 0.3 * high))
        for x in (-1, 1):
            s.box("wall", (0.04, width, 0.6 * high), (x * 0.485 * length, 0, low + 0.3 * high))
        s.has(4, "{low|upright} wall", "{around an open load space|}", role="wall")
        s.says("{open at the top|open above}", claim="open top")
    s.main("{long|narrow} {body|car body|floor} {running on rails|on rails}")
    bogies = (-0.36, -0.24, 0.24, 0.36) if a["axles"] == 4 else (-0.3, 0.3)
    for side in (-0.19, 0.19):
        s.rod("rail", (-0.62 * length, side, 0), (0.62 * length, side, 0), 0.02, square=True)
        for place in bogies:
            s.disc("wheel", r, 0.05, (place * length, side, r + 0.02), (90, 0, 0))
    s.on(2, "{parallel|long|thin} rail", role="rail")
    s.has(2 * a["axles"], "{small|low} wheel", role="wheel")
    return s


FAMILIES = [
    Family(
        "car",
        car,
        {
            "form": ("notchback", "hatchback", "wagon", "pickup"),
            "length": (1.5, 2.6),
            "width": (0.75, 0.95),
            "body": (0.24, 0.36),
            "cabin": (0.22, 0.4),
            "wheel": (0.14, 0.23),
        },
        synonym="automobile",
    ),
    Family(
        "truck",
        truck,
        {
            "load": ("box", "tank", "open bed", "drum"),
            "axles": (2, 3),
            "cab": (0.45, 0.7),
            "cab height": (0.7, 1.0),
            "load length": (1.4, 2.6),
            "load height": (0.7, 1.2),
            "width": (0.7, 0.85),
            "wheel": (0.15, 0.22),
        },
        synonym="lorry",
        pair=("load", "axles"),
        unseen=(("tank", 2),),
        sentence="a truck with a {load} and {axles} axles",
    ),
    Family(
        "bus",
        bus,
        {
            "decks": ("one deck", "one deck", "two decks"),
            "windows": (4, 5, 6),
            "axles": (2, 3),
            "roof box": ("roof box", "flat roof"),
            "length": (2.2, 3.2),
            "height": (0.75, 0.95),
            "wheel": (0.15, 0.2),
        },
        synonym="coach",
    ),
    Family(
        "bicycle",
        bicycle,
        {
            "frame": ("diamond", "low"),
            "spokes": (3, 4, 6),
            "wheel": (0.28, 0.38),
            "base": (1.0, 1.2),
            "tyre": (0.015, 0.04),
            "saddle": (0.05, 0.25),
        },
        synonym="bike",
    ),
    Family(
        "train wagon",
        wagon,
        {"load": ("passengers", "tank", "open"), "axles": (2, 4), "length": (1.5, 2.6), "height": (0.45, 0.7)},
        synonym="railcar",
    ),
]
