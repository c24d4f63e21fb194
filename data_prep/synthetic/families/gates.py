"""Structures to stop at and to pass through. The front looks towards -y."""

from __future__ import annotations

from data_prep.synthetic.sketch import Attributes, Family, Sketch


def fence(a: Attributes) -> Sketch:
    """Pickets or bars between posts."""
    s, length, high, posts = Sketch(), a["length"], a["height"], a["posts"]
    for i in range(posts):
        x = length * (i / (posts - 1) - 0.5)
        s.rod("post", (x, 0, 0), (x, 0, 1.12 * high), 0.045, square=True)
    s.has(posts, "{upright|square|stout} post", role="post")
    if a["form"] == "pickets":
        count = a["pickets"]
        for i in range(count):
            x = length * ((i + 0.5) / count - 0.5)
            w = 0.3 * length / count
            s.plate(
                "picket",
                ((x - w, 0.05), (x + w, 0.05), (x + w, 0.9 * high), (x, high), (x - w, 0.9 * high)),
                0.03,
                (0, -0.05, 0),
                (90, 0, 0),
            )
        s.has(count, "{pointed|upright} picket", "{side by side|}", role="picket")
        levels = [0.25, 0.75]
    else:
        levels = [(i + 0.6) / a["bars"] for i in range(a["bars"])]
        s.has(a["bars"], "{level|horizontal|long} bar", "{between the posts|}", role="bar")
    for level in levels:
        s.rod("bar", (-length / 2, 0, level * high), (length / 2, 0, level * high), 0.03, square=True)
    s.main(
        "{long|upright|thin} barrier of {posts and pickets|pickets}"
        if a["form"] == "pickets"
        else "{long|upright|thin} barrier of {posts and bars|bars}"
    )
    return s


def arch(a: Attributes) -> Sketch:
    """Two pillars joined by a round or flat top."""
    s, width, thick, high, depth = Sketch(), a["width"], a["thickness"], a["height"], a["depth"]
    for x in (-1, 1):
        if a["pillars"] == "round":
            s.rod("pillar", (x * width / 2, 0, 0), (x * width / 2, 0, high), 0.5 * min(thick, depth))
        else:
            s.box("pillar", (thick, depth, high), (x * width / 2, 0, high / 2))
    s.on(
        2,
        f"{'{round|cylindrical}' if a['pillars'] == 'round' else '{square|rectangular}'} {{pillar|column}}",
        role="pillar",
    )
    inner, outer = (width - thick) / 2, (width + thick) / 2
    if a["top"] == "round":
        s.lathe(
            "curve",
            ((inner, -depth / 2), (outer, -depth / 2), (outer, depth / 2), (inner, depth / 2), (inner, -depth / 2)),
            (0, 0, high),
            (90, 0, 0),
            (1, 1),
            180.0,
        )
        s.has(1, "{half-round|rounded|semicircular} top", role="curve")
        s.main("{curved|half-round} {span|opening}")
    elif a["top"] == "pointed":
        for x in (-1, 1):
            s.rod("slope", (x * width / 2, 0, high), (0, 0, high + 0.6 * width), 0.5 * thick, square=True)
        s.has(1, "{pointed|peaked} top")
        s.main("{pointed|peaked} {span|opening}")
    else:
        s.box("lintel", (outer * 2.2, 1.1 * depth, thick), (0, 0, high + thick / 2))
        s.has(1, "{flat|level} {beam|lintel}", "across the top", role="lintel")
        s.main("{level|straight} {span|opening}")
    if a["steps"] == "base":
        s.box("base", (width + 2 * thick, 1.6 * depth, 0.07), (0, 0, -0.035))
        s.has(1, "{flat|wide} base", role="base")
    s.says("open {in the middle|through the middle}", claim="open middle")
    return s


FAMILIES = [
    Family(
        "fence",
        fence,
        {
            "form": ("pickets", "bars"),
            "posts": (2, 3, 4),
            "pickets": (7, 9, 11),
            "bars": (2, 3, 4),
            "length": (1.6, 2.6),
            "height": (0.5, 0.9),
        },
        synonym="paling",
    ),
    Family(
        "arch",
        arch,
        {
            "top": ("round", "pointed", "flat"),
            "pillars": ("round", "square"),
            "steps": ("base", "no base"),
            "width": (0.8, 1.4),
            "thickness": (0.14, 0.28),
            "height": (0.5, 1.3),
            "depth": (0.16, 0.35),
        },
        synonym="gateway",
        pair=("top", "pillars"),
        unseen=(("pointed", "round"),),
        sentence="an arch with a {top} top and {pillars} pillars",
    ),
]
