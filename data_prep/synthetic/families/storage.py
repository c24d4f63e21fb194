"""Boxes with drawers, doors and shelves. The front looks towards -y."""

from __future__ import annotations

from data_prep.synthetic.sketch import Attributes, Family, Sketch

_BOARD = 0.03


def _carcass(s: Sketch, width: float, depth: float, low: float, high: float, open_front: bool = False) -> None:
    """A box from height `low` to `high`; with an open front it is made of boards."""
    height, middle = high - low, (high + low) / 2
    if not open_front:
        s.box("body", (width, depth, height), (0, 0, middle))
        return
    for x in (-1, 1):
        s.box("side", (_BOARD, depth, height), (x * (width - _BOARD) / 2, 0, middle))
    for z in (low + _BOARD / 2, high - _BOARD / 2):
        s.box("board", (width, depth, _BOARD), (0, 0, z))
    s.box("rear", (width, 0.01, height), (0, depth / 2, middle))


def _feet(s: Sketch, kind: str, width: float, depth: float, low: float) -> None:
    if kind == "feet":
        for x in (-1, 1):
            for y in (-1, 1):
                s.rod(
                    "foot",
                    (x * (width / 2 - 0.05), y * (depth / 2 - 0.05), 0),
                    (x * (width / 2 - 0.05), y * (depth / 2 - 0.05), low),
                    0.03,
                )
        s.on(4, "{short|small|low} {foot|leg}", role="foot")
    else:
        s.box("plinth", (0.9 * width, 0.85 * depth, low), (0, 0, low / 2))


def _knob(s: Sketch, kind: str, x: float, y: float, z: float, size: float, upright: bool = False) -> None:
    if kind == "knobs":
        s.ball("knob", (0.06, 0.06, 0.06), (x, y - 0.03, z))
    else:
        s.box("handle", (0.03, 0.04, size) if upright else (size, 0.04, 0.03), (x, y - 0.02, z))


def _handles(s: Sketch, kind: str, tail: str) -> None:
    if kind == "knobs":
        s.has(None, "{round|small} knobs", tail)
    else:
        s.has(None, "{bar|long} handles", tail)


def chest_of_drawers(a: Attributes) -> Sketch:
    """Rows of drawers, one over the other, in one or two columns."""
    s, width, depth, height = Sketch(), a["width"], a["depth"], a["height"]
    rows, columns, low, face = a["rows"], 2 if a["columns"] == "two columns" else 1, a["foot height"], -a["depth"] / 2
    _carcass(s, width, depth, low, height)
    s.main("{box|block} {full of drawers|made of drawers|with a front of drawers}")
    each, wide = (height - low) / rows, width / columns
    for row in range(rows):
        for column in range(columns):
            x, z = wide * (column + 0.5) - width / 2, low + each * (row + 0.5)
            s.box("drawer front", (wide - 0.05, 0.06, each - 0.05), (x, face - 0.03, z))
            _knob(s, a["handles"], x, face - 0.06, z, 0.3 * wide)
    s.has(rows, "row of drawers", "{one above the other|}" if columns == 1 else "{in two columns|}")
    s.has(rows * columns, "drawer", role="drawer front")
    _handles(s, a["handles"], "on the drawers")
    if a["top"] == "overhanging top":
        s.box("top", (width + 0.1, depth + 0.08, 0.04), (0, -0.02, height + 0.02))
        s.has(1, "{top|top board}", "{that sticks out|wider than the body}", role="top")
    _feet(s, a["base"], width, depth, low)
    return s


def wardrobe(a: Attributes) -> Sketch:
    """A tall box with doors, and at times drawers below."""
    s, width, depth, height, low = Sketch(), a["width"], a["depth"], a["height"], a["foot height"]
    doors, face, split = a["doors"], -a["depth"] / 2, a["foot height"]
    _carcass(s, width, depth, low, height)
    s.main("{tall|high} {box|closed box}")
    if a["drawers"] > 0:
        split = low + 0.22 * (height - low)
        wide = width / a["drawers"]
        for i in range(a["drawers"]):
            x = wide * (i + 0.5) - width / 2
            s.box("drawer front", (wide - 0.05, 0.05, split - low - 0.05), (x, face - 0.025, (low + split) / 2))
            _knob(s, "knobs", x, face - 0.05, (low + split) / 2, 0.1)
        s.has(a["drawers"], "drawer", "{at the bottom|below the doors}", role="drawer front")
    wide = width / doors
    for i in range(doors):
        x = wide * (i + 0.5) - width / 2
        s.box("door", (wide - 0.045, 0.05, height - split - 0.07), (x, face - 0.025, (height + split) / 2))
        edge = x + (0.38 * wide if i % 2 == 0 else -0.38 * wide)
        _knob(s, "bars", edge, face - 0.05, (height + split) / 2, 0.22, upright=True)
    s.has(doors, "{tall|long|high} door", "{in front|side by side|}" if doors > 1 else "in front", role="door")
    if a["cornice"] == "cornice":
        s.box("cornice", (width + 0.14, depth + 0.12, 0.08), (0, 0, height + 0.04))
        s.has(1, "{projecting|wider} {top|cornice}", role="cornice")
    _feet(s, a["base"], width, depth, low)
    return s


def bookshelf(a: Attributes) -> Sketch:
    """Boards between two sides, open in front, empty or with books."""
    s, width, depth, height, shelves = Sketch(), a["width"], a["depth"], a["height"], a["shelves"]
    for x in (-1, 1):
        s.box("side", (_BOARD, depth, height), (x * (width - _BOARD) / 2, 0, height / 2))
    gap = (height - 0.08) / (shelves - 1)
    for i in range(shelves):
        s.box("shelf board", (width, depth, _BOARD), (0, 0, 0.06 + i * gap))
    if a["rear"] == "closed":
        s.box("rear", (width, 0.012, height), (0, depth / 2, height / 2))
        s.has(1, "closed back")
    else:
        s.says(
            "{open at the front and the rear|without a rear wall|see-through from front to back}", claim="see-through"
        )
    s.main("{upright|standing} {frame|rack} {of boards|of open compartments}")
    s.has(shelves, "{horizontal|level|flat} {shelf|board}", role="shelf board")
    if a["rear"] == "closed":
        s.says("open {in front|at the front}")
    if a["books"] > 0:
        for i in range(a["books"]):
            long, z = width * (0.35 + 0.1 * (i % 3)), 0.06 + (i % (shelves - 1)) * gap
            s.box("books", (long, 0.7 * depth, 0.62 * gap), (long / 2 - width / 2 + _BOARD, 0, z + 0.33 * gap))
        s.has(a["books"], "{row|block} of books", role="books")
    else:
        s.says("empty")
    if a["divider"] == "divider":
        s.box("divider", (_BOARD, depth, height), (0, 0, height / 2))
        s.has(1, "upright divider", "{in the middle|}", role="divider")
    return s


def cabinet(a: Attributes) -> Sketch:
    """A low wide box on legs, with doors and an open part."""
    s, width, depth, height, low = Sketch(), a["width"], a["depth"], a["height"], a["leg height"]
    _carcass(s, width, depth, low, low + height, open_front=True)
    s.main("{low|wide} {box|body}")
    face, doors, share = -depth / 2, a["doors"], width / (a["doors"] + 1)
    for i in range(doors):
        x = share * (i + (1.5 if a["open side"] == "left" else 0.5)) - width / 2
        s.box("door", (share - 0.04, 0.04, height - 0.08), (x, face - 0.01, low + height / 2))
        _knob(s, a["handles"], x + 0.3 * share, face - 0.03, low + height / 2, 0.15, upright=True)
    s.has(doors, "{closed|square|} door", role="door")
    _handles(s, a["handles"], "on the doors" if doors > 1 else "on the door")
    side = -1 if a["open side"] == "left" else 1
    s.box("inner shelf", (share, depth, _BOARD), (side * (width - share) / 2, 0, low + height / 2))
    s.has(
        1,
        "open {compartment|niche} with a shelf",
        "{at one end|at the side}",
        role="inner shelf",
    )
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (width / 2 - 0.08), y * (depth / 2 - 0.06))
            s.rod("leg", (at[0] * 1.05, at[1] * 1.05, 0), (*at, low), 0.025)
    s.on(4, f"{'{thin|long}' if low > 0.22 else '{short|low}'} leg", role="leg")
    return s


FAMILIES = [
    Family(
        "chest of drawers",
        chest_of_drawers,
        {
            "rows": (2, 3, 4, 5),
            "columns": ("one column", "two columns"),
            "handles": ("knobs", "bars"),
            "top": ("overhanging top", "flush top"),
            "base": ("feet", "plinth"),
            "width": (0.6, 1.3),
            "depth": (0.4, 0.55),
            "height": (0.7, 1.25),
            "foot height": (0.06, 0.16),
        },
        synonym="dresser",
        pair=("rows", "columns"),
        unseen=((3, "two columns"),),
        sentence="a chest of drawers with {rows} rows of drawers in {columns}",
    ),
    Family(
        "wardrobe",
        wardrobe,
        {
            "doors": (1, 2, 3),
            "drawers": (0, 1, 2),
            "cornice": ("cornice", "flat top"),
            "base": ("feet", "plinth"),
            "width": (0.7, 1.3),
            "depth": (0.45, 0.6),
            "height": (1.7, 2.2),
            "foot height": (0.05, 0.15),
        },
        synonym="armoire",
    ),
    Family(
        "bookshelf",
        bookshelf,
        {
            "shelves": (4, 5, 6),
            "rear": ("closed", "open"),
            "books": (0, 2, 4),
            "divider": ("divider", "no divider"),
            "width": (0.6, 1.3),
            "depth": (0.25, 0.4),
            "height": (1.4, 2.1),
        },
        synonym="bookcase",
        pair=("shelves", "rear"),
        unseen=((5, "open"),),
        sentence="a bookshelf with {shelves} shelves and a {rear} back",
    ),
    Family(
        "cabinet",
        cabinet,
        {
            "doors": (1, 2, 3),
            "open side": ("left", "right"),
            "handles": ("knobs", "bars"),
            "width": (1.3, 2.0),
            "depth": (0.4, 0.5),
            "height": (0.4, 0.6),
            "leg height": (0.12, 0.32),
        },
        synonym="sideboard",
    ),
]
