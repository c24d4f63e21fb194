"""Prompt templates and the small English around class names.

A template holds "{}" where the name goes. "a {}" becomes "an airplane", "a night stand", "stairs" as English wants it.
"""

from __future__ import annotations

from collections.abc import Sequence

# Sentences about a shape that say nothing about colour, material or surroundings, which a bare cloud cannot show.
POINT_CLOUD_TEMPLATES = (
    "a {}.",
    "a point cloud of a {}.",
    "a 3D model of a {}.",
    "the shape of a {}.",
    "a 3D scan of a {}.",
    "points on the surface of a {}.",
    "this shape is a {}.",
    "an object that looks like a {}.",
    "a sampled 3D surface of a {}.",
    "a geometric model of a {}.",
    "the outline of a {} in three dimensions.",
    "a CAD model of a {}.",
    "a sparse set of points showing a {}.",
    "a single {} standing alone.",
    "a typical {}, seen from all sides.",
    "the form and proportions of a {}.",
)

# Nouns that take no article because they are plural or have no plural.
_NO_ARTICLE = frozenset(
    {"stairs", "scissors", "curtains", "glasses", "pants", "trousers", "headphones", "pliers", "tongs"}
)
_AN_BY_SOUND = ("hour", "honest", "heir", "xbox", "x-")
_A_BY_SOUND = ("uni", "use", "eu", "one", "ufo", "uk")


def class_name(raw: str) -> str:
    """A readable name: underscores become spaces, runs of white space one space, case stays.

    Example:
        >>> class_name("night_stand")
        'night stand'
    """
    return " ".join(raw.replace("_", " ").split())


def with_article(noun: str) -> str:
    """The noun with its indefinite article: "an airplane", "a unicycle", "stairs"."""
    lower = noun.lower()
    if lower.split(" ")[-1] in _NO_ARTICLE:
        return noun
    vowel = lower.startswith(tuple("aeiou")) and not lower.startswith(_A_BY_SOUND)
    return f"{'an' if vowel or lower.startswith(_AN_BY_SOUND) else 'a'} {noun}"


def fill(template: str, name: str) -> str:
    """A template filled with a class name, its article made right.

    Args:
        template: a sentence with "{}"; every "{}" is filled.
        name: class name or whole sentence, underscores allowed.

    Raises:
        ValueError: the template has no "{}".

    Example:
        >>> fill("a point cloud of a {}.", "airplane")
        'a point cloud of an airplane.'
    """
    if "{}" not in template:
        raise ValueError(f"a prompt template needs a {{}} for the name: {template!r}")
    name = class_name(name)
    for article in ("a", "an", "A", "An"):
        filled = with_article(name)
        if article[0] == "A":
            filled = filled[0].upper() + filled[1:]
        for before in ("", " "):  # at the start of the sentence, or after a space: never inside a word
            place = f"{before}{article} {{}}"
            if before or template.startswith(place):
                template = template.replace(place, before + filled)
    return template.replace("{}", name)


def fill_all(templates: Sequence[str], name: str) -> list[str]:
    """Every template filled with one name, without repeats, in order."""
    return list(dict.fromkeys(fill(template, name) for template in templates))
