"""Things to lie on and sink into: sofas and beds. The front looks towards -y."""

from __future__ import annotations

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def sofa(a: Attributes) -> Sketch:
    """Cushions between thick arms before a padded back; with a corner part, an L."""
    s, cushions, depth, seat = Sketch(), a["cushions"], a["depth"], a["seat height"]
    each, arm, back, foot = a["cushion width"], a["arm width"], a["back height"], a["foot"]
    width = each * cushions
    s.box("base", (width, depth, seat - foot - 0.12), (0, 0, (foot + seat - 0.12) / 2))
    for i in range(cushions):
        s.box("cushion", (0.95 * each, 0.95 * depth, 0.12), (each * (i + 0.5) - width / 2, -0.02, seat - 0.06))
    s.box("back", (width, 0.2, seat + back - foot), (0, depth / 2 + 0.08, (seat + back + foot) / 2), (-a["lean"], 0, 0))
    top = seat + a["arm height"]
    for x in (-1, 1):
        at = x * (width / 2 + arm / 2)
        s.box("arm", (arm, depth + 0.15, top - foot), (at, 0.05, (top + foot) / 2))
        if a["arms"] == "rolled arms":
            s.rod("arm roll", (at, -depth / 2 - 0.03, top), (at, depth / 2 + 0.12, top), 0.6 * arm)
    s.has(
        2,
        "{thick|wide|padded} {rounded|rolled} arm" if a["arms"] == "rolled arms" else "{boxy|square|straight} arm",
        role="arm",
    )
    if a["form"] == "l-shaped":
        s.box("corner seat", (each, 0.9, seat - foot), (width / 2 - each / 2, -depth / 2 - 0.4, (seat + foot) / 2))
        s.has(1, "{part that sticks out in front|seat extending forward}", "{at one end|}", role="corner seat")
        s.overall.append("l-shaped")
    s.head = (
        "{deep|soft|padded} {seat|seat with arms}"
        if cushions == 1
        else "{long|wide} {padded|soft|deep} {seat|seat for several people}"
    )
    s.has(cushions, "{thick|soft|} seat cushion", "{side by side|}" if cushions > 1 else "", role="cushion")
    s.has(1, f"{'{high|tall}' if back > 0.5 else '{low|thick}'} {{padded|upholstered|}} back", role="back")
    if foot > 0.03:
        for x in (-1, 1):
            for y in (-1, 1):
                s.rod(
                    "leg", (x * width / 2, y * 0.42 * depth, 0), (x * width / 2, y * 0.42 * depth, foot + 0.02), 0.035
                )
        s.on(4, "{short|tiny|low} {leg|foot}", role="leg")
    return s


def bed(a: Attributes) -> Sketch:
    """A mattress on a frame with a board at its head."""
    s, width, length, top = Sketch(), a["width"], a["length"], a["height"]
    s.box("frame", (width, length, 0.12), (0, 0, top - 0.06))
    s.box("mattress", (0.94 * width, 0.96 * length, a["mattress"]), (0, 0, top + a["mattress"] / 2))
    s.main("{large|long|wide} {flat mattress|flat surface for lying down|padded slab} {in a frame|}")
    s.has(1, f"{'{thick|deep}' if a['mattress'] > 0.22 else '{thin|flat}'} mattress", role="mattress")
    pillows, high = a["pillows"], top + a["headboard height"]
    for i in range(pillows):
        size = (0.75 * width / pillows, 0.32, 0.13)
        s.ball("pillow", size, (width * ((i + 0.5) / pillows - 0.5), length / 2 - 0.25, top + a["mattress"] + 0.04))
    s.has(pillows, "pillow", role="pillow")
    if a["headboard"] == "solid":
        s.box("headboard", (width, 0.07, high), (0, length / 2 + 0.03, high / 2))
    else:
        for i in range(9):
            x = (width - 0.06) * (i / 8 - 0.5)
            s.rod("bar", (x, length / 2 + 0.03, top - 0.1), (x, length / 2 + 0.03, high), 0.018)
        s.rod("headboard", (-width / 2, length / 2 + 0.03, high), (width / 2, length / 2 + 0.03, high), 0.035)
    s.has(1, f"{a['headboard']} headboard", "{at one end|rising at one end|}", role="headboard")
    if a["footboard"] == "footboard":
        s.box("footboard", (width, 0.06, top + 0.18), (0, -length / 2 - 0.03, (top + 0.18) / 2))
        s.has(1, "{low footboard|low board}", "at the {other|foot} end", role="footboard")
    corners = [(x * (width / 2 - 0.04), y * (length / 2 - 0.04)) for x in (-1, 1) for y in (-1, 1)]
    tall = a["posts"] == "tall posts"
    for x, y in corners:
        s.rod("post", (x, y, 0), (x, y, top + (1.3 if tall else 0)), 0.045, square=True)
    if tall:
        for i, j in ((0, 1), (1, 3), (3, 2), (2, 0)):
            s.rod("rail", (*corners[i], top + 1.28), (*corners[j], top + 1.28), 0.03, square=True)
        s.has(4, "{tall|high} corner post", "{joined by rails at the top|}", role="post")
    else:
        s.on(4, "{short|low} leg", role="post")
    return s


FAMILIES = [
    Family(
        "sofa",
        sofa,
        {
            "cushions": (1, 2, 3, 4),
            "arms": ("boxy arms", "rolled arms"),
            "form": ("straight", "straight", "l-shaped"),
            "cushion width": (0.55, 0.75),
            "depth": (0.6, 0.8),
            "seat height": (0.36, 0.5),
            "back height": (0.3, 0.65),
            "arm width": (0.12, 0.26),
            "arm height": (0.12, 0.28),
            "foot": (0.0, 0.14),
            "lean": (0.0, 8.0),
        },
        synonym="couch",
    ),
    Family(
        "bed",
        bed,
        {
            "headboard": ("solid", "barred"),
            "posts": ("short legs", "short legs", "tall posts"),
            "footboard": ("footboard", "no footboard"),
            "pillows": (1, 2),
            "width": (0.9, 1.9),
            "length": (1.8, 2.1),
            "height": (0.25, 0.5),
            "mattress": (0.12, 0.3),
            "headboard height": (0.4, 0.9),
        },
        synonym="cot",
        pair=("headboard", "posts"),
        unseen=(("barred", "tall posts"),),
        sentence="a bed with a {headboard} headboard and {posts}",
    ),
]
