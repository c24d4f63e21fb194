"""The parse of a shape: what it is, which parts it has, and what can truly be said of it.

Mesh and captions both come from the parse, so a caption cannot say what the mesh does not show.
A family function draws on a `Sketch`: each call adds a part, or a fact about the parts that it has just added.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from data_prep.synthetic.parts import Part, Vector, rotation_matrix, triangles


@dataclass(frozen=True)
class Fact:
    """One thing to say. Text in braces offers wordings: "{thin|slender} leg".

    `frame` is "on" (what it stands on), "has" (what it has) or "is" (words that can follow "it is").
    A counted fact puts `count` before `text` and claims that `count` parts have the role `role`, where one is given.
    `claim` names a geometric property that tests can measure, such as "open top".
    """

    frame: str
    text: str
    count: int | None = None
    tail: str = ""
    role: str | None = None
    claim: str | None = None


@dataclass(frozen=True)
class Parse:
    """A shape as data.

    `head` names it in geometric words only, and stands for the part with the role `head_role` where one is given;
    `overall` are adjectives true of the whole; `pose` is the small turn in which it is shown.
    """

    family: str
    attributes: dict[str, Any]
    parts: tuple[Part, ...]
    head: str
    overall: tuple[str, ...]
    facts: tuple[Fact, ...]
    head_role: str | None = None
    pose: Vector = (0.0, 0.0, 0.0)

    def count(self, role: str) -> int:
        """How many parts play this role."""
        return sum(part.role == role for part in self.parts)

    @cached_property
    def faces(self) -> np.ndarray:
        """Triangles [F, 3, 3] as drawn, before the pose."""
        return triangles(self.parts)

    @property
    def posed_faces(self) -> np.ndarray:
        """Triangles [F, 3, 3] with the small tilt and turn of `pose`."""
        return self.faces @ rotation_matrix(self.pose).T

    @cached_property
    def extents(self) -> tuple[float, float, float]:
        """Width (x), depth (y) and height (z) as drawn."""
        corners = self.faces.reshape(-1, 3)
        x, y, z = (corners.max(axis=0) - corners.min(axis=0)).tolist()
        return x, y, z

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Parse:
        """The inverse of `to_json`, also after a trip through JSON text."""
        parts = tuple(Part(**{key: _tuples(value) for key, value in part.items()}) for part in data["parts"])
        facts = tuple(Fact(**fact) for fact in data["facts"])
        rest = {key: _tuples(data[key]) for key in ("family", "attributes", "head", "overall", "head_role", "pose")}
        return Parse(**rest, parts=parts, facts=facts)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
