"""How families are written: a `Sketch` that collects parts and facts, and a `Family` that says what varies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data_prep.synthetic.parse import Fact, Parse
from data_prep.synthetic.parts import Outline, Part, Vector

Attributes = Mapping[str, Any]  # attribute -> the value drawn: a word or phrase, a whole number, or a float


@dataclass
class Sketch:
    """Collects the parts and the facts of one shape. Positions are centres unless said otherwise."""

    parts: list[Part] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    overall: list[str] = field(default_factory=list)
    head: str = ""
    head_role: str | None = None

    # ---- parts -----------------------------------------------------------------------------------------------------

    def box(self, role: str, size: Vector, at: Vector, turn: Vector = (0.0, 0.0, 0.0)) -> None:
        """A block of the given width, depth and height."""
        self.parts.append(Part("box", role, size, at, turn))

    def ball(self, role: str, size: Vector, at: Vector, turn: Vector = (0.0, 0.0, 0.0)) -> None:
        """An ellipsoid of the given diameters."""
        self.parts.append(Part("sphere", role, size, at, turn))

    def disc(self, role: str, radius: float, height: float, at: Vector, turn: Vector = (0.0, 0.0, 0.0)) -> None:
        """A cylinder about its own z axis."""
        self.parts.append(Part("cylinder", role, (2 * radius, 2 * radius, height), at, turn))

    def slab(self, role: str, form: str, size: Vector, at: Vector) -> None:
        """An upright block, elliptic where `form` is "round" or "oval", and rectangular otherwise."""
        self.parts.append(Part("cylinder" if form in ("round", "oval") else "box", role, size, at))

    def rod(self, role: str, start: Vector, end: Vector, radius: float, square: bool = False) -> None:
        """A straight bar from one point to another."""
        dx, dy, dz = (e - s for s, e in zip(start, end, strict=True))
        length = math.sqrt(dx * dx + dy * dy + dz * dz)
        turn = (0.0, math.degrees(math.acos(dz / length)), math.degrees(math.atan2(dy, dx)))
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, (start[2] + end[2]) / 2)
        kind = "box" if square else "cylinder"
        self.parts.append(Part(kind, role, (2 * radius, 2 * radius, length), middle, turn))

    def lathe(
        self,
        role: str,
        outline: Sequence[tuple[float, float]],
        at: Vector,
        turn: Vector = (0.0, 0.0, 0.0),
        stretch: tuple[float, float] = (1.0, 1.0),
        sweep: float = 360.0,
    ) -> None:
        """(radius, height) pairs from bottom to top, turned about z; `stretch` makes it oval; `at` is height zero."""
        rounded: Outline = tuple((round(r, 4), round(z, 4)) for r, z in outline)
        self.parts.append(Part("lathe", role, (*stretch, 1.0), at, turn, rounded, sweep))

    def frustum(
        self, role: str, low: float, high: float, height: float, at: Vector, turn: Vector = (0.0, 0.0, 0.0)
    ) -> None:
        """A closed cone section with bottom radius `low` and top radius `high`; `at` is the middle of its bottom."""
        self.lathe(role, ((0, 0), (low, 0), (high, height), (0, height)), at, turn)

    def dome(self, role: str, radius: float, height: float, at: Vector, turn: Vector = (0.0, 0.0, 0.0)) -> None:
        """Half an ellipsoid with a flat bottom; `at` is the middle of the bottom."""
        arc = [(radius * math.cos(t), height * math.sin(t)) for t in np.linspace(0, math.pi / 2, 7).tolist()]
        self.lathe(role, [(0, 0), *arc], at, turn)

    def vessel(
        self,
        role: str,
        profile: Sequence[tuple[float, float]],
        wall: float,
        at: Vector = (0.0, 0.0, 0.0),
        stretch: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """A hollow body with an open top: the outer `profile` from foot to rim, and the same moved in by `wall`."""
        bottom = profile[0][1]
        inner = [(max(r - wall, 0.0), max(z, bottom + wall)) for r, z in reversed(profile)]
        self.lathe(role, [(0, bottom), *profile, *inner, (0, bottom + wall)], at, stretch=stretch)

    def ring(
        self,
        role: str,
        radius: float,
        tube: float,
        at: Vector,
        turn: Vector = (0.0, 0.0, 0.0),
        sweep: float = 360.0,
        stretch: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """A bent round bar about z; `radius` to its middle line, `tube` its own radius; part of it if `sweep` < 360."""
        angles = np.linspace(0, 2 * math.pi, 9).tolist()
        section = [(radius + tube * math.cos(t), tube * math.sin(t)) for t in angles]
        self.lathe(role, section, at, turn, stretch, sweep)

    def plate(
        self,
        role: str,
        outline: Sequence[tuple[float, float]],
        thickness: float,
        at: Vector,
        turn: Vector = (0.0, 0.0, 0.0),
    ) -> None:
        """A flat piece with an (x, y) outline, counter-clockwise, as thick as given; turned by (90, 0, 0) it stands."""
        rounded: Outline = tuple((round(x, 4), round(y, 4)) for x, y in outline)
        self.parts.append(Part("extrusion", role, (1.0, 1.0, thickness), at, turn, rounded))

    # ---- words -----------------------------------------------------------------------------------------------------

    def main(self, text: str, role: str | None = None) -> None:
        """The head in geometric words; a fact about parts of this role would repeat it."""
        self.head, self.head_role = text, role

    def on(self, count: int | None, text: str, tail: str = "", role: str | None = None) -> None:
        """It stands on this."""
        self.facts.append(Fact("on", text, count, tail, role))

    def has(
        self, count: int | None, text: str, tail: str = "", role: str | None = None, claim: str | None = None
    ) -> None:
        """It has this; `text` is singular where counted."""
        self.facts.append(Fact("has", text, count, tail, role, claim))

    def says(self, text: str, claim: str | None = None) -> None:
        """It is this."""
        self.facts.append(Fact("is", text, claim=claim))


@dataclass(frozen=True)
class Family:
    """A kind of object: what varies, and how it is drawn.

    attributes: name -> (low, high) of two floats, drawn uniformly, or a tuple of words or whole numbers to choose from.
    synonym: a word for the family that no caption says. pair, unseen: two attributes, and the combinations of their
    values that stay out of training. sentence: describes a combination, with the two attributes in braces.
    """

    name: str
    draw: Callable[[Attributes], Sketch]
    attributes: dict[str, tuple[Any, ...]]
    synonym: str | None = None
    pair: tuple[str, str] | None = None
    unseen: tuple[tuple[Any, Any], ...] = ()
    sentence: str = ""

    def combinations(self) -> list[tuple[Any, Any]]:
        """All value pairs of `pair`."""
        if self.pair is None:
            return []
        # A value listed twice is drawn twice as often; here each counts once.
        first, second = (dict.fromkeys(self.attributes[name]) for name in self.pair)
        return [(one, two) for one in first for two in second]

    def draw_attributes(self, rng: np.random.Generator, unseen: bool = False) -> dict[str, Any]:
        """Random values; the pair is one of the `unseen` combinations, or none of them."""
        values = {name: _draw(options, rng) for name, options in self.attributes.items()}
        if self.pair is not None:
            allowed = [pair for pair in self.combinations() if (pair in self.unseen) == unseen]
            values.update(zip(self.pair, allowed[int(rng.integers(len(allowed)))], strict=True))
        return values

    def parse(self, attributes: Attributes, pose: Vector = (0.0, 0.0, 0.0)) -> Parse:
        """The shape with these attributes; nothing in it is random."""
        sketch = self.draw(attributes)
        return Parse(
            family=self.name,
            attributes=dict(attributes),
            parts=tuple(sketch.parts),
            head=sketch.head,
            overall=tuple(sketch.overall),
            facts=tuple(sketch.facts),
            head_role=sketch.head_role,
            pose=pose,
        )


def _draw(options: tuple[Any, ...], rng: np.random.Generator) -> Any:
    if isinstance(options[0], float):
        low, high = options
        return round(float(rng.uniform(low, high)), 4)
    return options[int(rng.integers(len(options)))]
