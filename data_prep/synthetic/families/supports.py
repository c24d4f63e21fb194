"""What things stand on, shared by the furniture families. Each draws below height `top` and says what it drew."""

from __future__ import annotations

import math

from data_prep.synthetic.sketch import Sketch


def stout(radius: float, height: float) -> str:
    """Wordings for how thick a leg is for its length."""
    if radius < 0.035 * height:
        return "{thin|slender|narrow}"
    return "{thick|stout|sturdy|heavy}" if radius > 0.06 * height else ""


def legs(
    s: Sketch,
    count: int,
    width: float,
    depth: float,
    top: float,
    radius: float,
    splay: float = 0.0,
    square: bool = False,
    text: str = "",
) -> None:
    """Three or more legs below a top of the given width and depth, `splay` being how far the feet go out, 0 to 0.3."""
    if count == 4:
        corners = [(x * (width / 2 - radius), y * (depth / 2 - radius)) for x in (-1, 1) for y in (-1, 1)]
    else:
        angles = [math.pi / 2 + 2 * math.pi * i / count for i in range(count)]
        corners = [((width / 2 - radius) * math.cos(t), (depth / 2 - radius) * math.sin(t)) for t in angles]
    for x, y in corners:
        s.rod("leg", (x * (1 + splay), y * (1 + splay), 0.0), (x, y, top), radius, square)
    spread = "{spreading outwards|that spread apart towards the floor|slanting outwards}" if splay > 0.12 else ""
    s.on(
        count,
        text or f"{stout(radius, top)} {{square|straight|}} leg" if square else f"{stout(radius, top)} leg",
        spread,
        role="leg",
    )


def column(s: Sketch, top: float, radius: float, foot: float, feet: str = "round") -> None:
    """One column in the middle, on a round foot or on four or five spread feet; `foot` is the radius of that."""
    s.rod("column", (0, 0, 0.02), (0, 0, top), radius)
    if feet == "round":
        s.frustum("foot", foot, max(radius, 0.7 * foot), 0.05 * top + 0.01, (0, 0, 0))
        s.on(
            1,
            "{single|central|thick|middle} {column|post|pillar}",
            "{with a round foot|on a round base|}",
            role="column",
        )
        return
    count = 5 if feet == "five" else 4
    for i in range(count):
        t = 2 * math.pi * i / count + math.pi / 4
        s.rod("foot", (0, 0, 0.14 * top), (foot * math.cos(t), foot * math.sin(t), 0.03), 0.6 * radius)
    s.on(1, "{single|central|middle} {column|post|pillar}", f"with {feet} spread feet", role="column")


def trestles(s: Sketch, width: float, depth: float, top: float, radius: float) -> None:
    """Two pairs of crossed or slanting legs, one at each end."""
    for x in (-0.38 * width, 0.38 * width):
        for y in (-1, 1):
            s.rod("trestle leg", (x, y * 0.45 * depth, 0), (x, -y * 0.45 * depth, top), radius, square=True)
    s.rod("rail", (-0.38 * width, 0, top / 2), (0.38 * width, 0, top / 2), radius, square=True)
    s.on(2, "{crossed|x-shaped} {trestle|frame}", "{joined by a rail|at the ends|}")


def side_panels(s: Sketch, width: float, depth: float, top: float, thickness: float, role: str = "side panel") -> None:
    """Two upright boards, one at each end."""
    for x in (-1, 1):
        s.box(role, (thickness, 0.9 * depth, top), (x * (width / 2 - 1.5 * thickness), 0, top / 2))
    s.on(2, "{upright|solid|flat} {side panel|end board|side board}", role=role)


def runners(s: Sketch, width: float, depth: float, top: float, radius: float) -> None:
    """Two frames like the runners of a sled."""
    for x in (-1, 1):
        at = x * (width / 2 - radius)
        for y in (-1, 1):
            s.rod("upright", (at, y * (depth / 2 - radius), radius), (at, y * (depth / 2 - radius), top), radius, True)
        s.rod("runner", (at, -depth / 2, radius), (at, depth / 2, radius), radius, True)
    s.on(2, "{floor runner|sled-like runner|long runner}", "{at the sides|}", role="runner")


def stand(s: Sketch, kind: str, width: float, depth: float, top: float, radius: float, splay: float = 0.0) -> None:
    """The support named by an attribute."""
    if kind in ("four legs", "three legs"):
        legs(s, 4 if kind == "four legs" else 3, width, depth, top, radius, splay, square=kind == "four legs")
    elif kind == "one central column":
        column(s, top, 1.6 * radius, 0.36 * min(width, depth) + 0.1 * max(width, depth))
    elif kind == "one column with spread feet":
        column(s, top, 1.4 * radius, 0.42 * min(width, depth) + 0.05, feet="five")
    elif kind == "two crossed trestles":
        trestles(s, width, depth, top, radius)
    elif kind == "two side panels":
        side_panels(s, width, depth, top, 1.5 * radius)
    elif kind == "two floor runners":
        runners(s, width, depth, top, radius)
    else:
        raise ValueError(f"unknown support {kind!r}")
