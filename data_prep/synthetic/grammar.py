"""Captions from a parse: a small grammar that says true things in many ways.

A caption is a head ("a chair", or in geometric words "a flat square seat") and some facts, put together in one of
several ways. Wordings stand in braces, "{thin|slender} leg"; the grammar counts, pluralises and sets articles.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from typing import Any

from data_prep.synthetic.parse import Fact, Parse
from data_prep.synthetic.sketch import Family

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_IRREGULAR = {"shelf": "shelves", "knife": "knives", "leaf": "leaves", "foot": "feet", "loaf": "loaves"}
_WRAPPERS = ("this is {}", "a shape: {}", "the shape of {}", "a 3d model of {}", "an object: {}", "here is {}")
_STANDS = ("on", "standing on", "resting on", "held up by", "supported by", "raised on")
_CARRIES = ("carrying", "holding up", "supporting", "under", "below")


# ---- words ---------------------------------------------------------------------------------------------------------


_TAIL = re.compile(r" (?:of|with|for|that|in|on|at|from|bent) ")


def plural(phrase: str) -> str:
    """The plural of a noun phrase: "row of drawers" -> "rows of drawers", "thin leg" -> "thin legs"."""
    tail = _TAIL.search(phrase)
    noun, rest = (phrase[: tail.start()], phrase[tail.start() :]) if tail else (phrase, "")
    before, _, word = noun.rpartition(" ")
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    elif word.endswith(("s", "x", "ch", "sh")):
        word += "es"
    elif word.endswith("y") and word[-2:-1] not in "aeiou":
        word = word[:-1] + "ies"
    else:
        word += "s"
    return f"{before} {word}{rest}" if before else word + rest


_ARTICLE = re.compile(r"\b(an?) (?=([\w-]+))", re.IGNORECASE)
# Written with a vowel but spoken with a consonant ("a one-piece", "a u-shaped"), and the reverse ("an l-shaped").
_SPOKEN_CONSONANT = re.compile(r"(one|u-|uni|use|eu)")
_SPOKEN_VOWEL = re.compile(r"(hour|[fhlmnrsx]-)")


def article(word: str) -> str:
    """ "a" or "an", as the next word sounds."""
    word = word.lower()
    vowel = word[:1] in "aeiou" and not _SPOKEN_CONSONANT.match(word)
    return "an" if vowel or _SPOKEN_VOWEL.match(word) else "a"


def fix_articles(text: str) -> str:
    """Sets every "a" and "an" in a text right."""
    return _ARTICLE.sub(lambda match: f"{article(match[2])} ", text)


@cache
def _pieces(template: str) -> tuple[tuple[str, ...], ...]:
    """ "{thin|slender} leg" -> (("",), ("thin", "slender"), (" leg",)), split once per template."""
    parts = re.split(r"\{([^{}]*)\}", template)
    return tuple(tuple(part.split("|")) if index % 2 else (part,) for index, part in enumerate(parts))


def expand(template: str, rng: random.Random | None) -> str:
    """Picks one wording of every pair of braces; without `rng`, always the first."""
    pieces = _pieces(template)
    text = "".join(piece[0] if len(piece) == 1 or rng is None else rng.choice(piece) for piece in pieces)
    return " ".join(text.split())


def counted(count: int | None, noun: str, rng: random.Random | None) -> str:
    """A noun phrase with its number: "a leg", "four legs", "a pair of legs"; above twelve "many legs"."""
    if count is None:
        return noun
    if count == 1:
        return f"a {noun}"
    if count >= len(_NUMBERS):
        return f"many {plural(noun)}"
    if count == 2 and rng is not None and rng.random() < 0.2:
        return f"a pair of {plural(noun)}"
    return f"{_NUMBERS[count]} {plural(noun)}"


def _phrase(fact: Fact, rng: random.Random | None) -> str:
    text = counted(fact.count, expand(fact.text, rng), rng)
    tail = expand(fact.tail, rng) if fact.tail else ""
    return f"{text} {tail}" if tail else text


def _listed(phrases: Sequence[str]) -> str:
    if len(phrases) == 1:
        return phrases[0]
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"


# ---- facts that every shape has ------------------------------------------------------------------------------------


def proportions(parse: Parse) -> list[Fact]:
    """What the extents of the whole show, with margins wide enough that noise and tilt keep it true."""
    x, y, z = parse.extents
    wide, narrow = max(x, y), min(x, y)
    facts = []
    if z > 2.2 * wide:
        facts.append(Fact("is", "{tall and narrow|much taller than wide|tall and slim}", claim="much taller"))
    elif z > 1.25 * wide:
        facts.append(Fact("is", "taller than {it is wide|wide}", claim="taller"))
    elif z < 0.35 * wide:
        facts.append(Fact("is", "{much wider than tall|low and wide|low for its width}", claim="much wider"))
    elif z < 0.8 * wide:
        facts.append(Fact("is", "wider than {it is tall|tall}", claim="wider"))
    elif 0.9 * wide < z < 1.1 * wide:
        facts.append(Fact("is", "about as {tall as it is wide|wide as it is tall}", claim="as tall as wide"))
    # A tall thin thing soon looks deep when tilted, so that flat is said only of what is also broad.
    if y == narrow and y < 0.2 * x and 0.3 * x < z < 2.5 * x:
        facts.append(Fact("is", "{flat from front to back|thin from front to back|thin in depth}", claim="flat"))
    elif wide > 2.5 * narrow and wide > 1.3 * z:
        facts.append(Fact("is", "{long and narrow|elongated|stretched lengthwise}", claim="long"))
    return facts


# ---- ways to put a caption together --------------------------------------------------------------------------------


def _by_frame(facts: Sequence[Fact], rng: random.Random) -> dict[str, list[str]]:
    phrases: dict[str, list[str]] = {"on": [], "has": [], "is": []}
    for fact in facts:
        phrases[fact.frame].append(_phrase(fact, rng))
    return phrases


def _flowing(head: str, facts: Sequence[Fact], rng: random.Random) -> str:
    """One phrase: "a chair on four legs with a tall back, leaning backwards"."""
    phrases = _by_frame(facts, rng)
    clauses = [f"{rng.choice(_STANDS)} {_listed(phrases['on'])}"] if phrases["on"] else []
    if phrases["has"]:
        clauses.append(f"{rng.choice(('with', 'with', 'having', 'that has'))} {_listed(phrases['has'])}")
    rng.shuffle(clauses)
    said = _listed(phrases["is"]) if phrases["is"] else ""
    if said and clauses and rng.random() < 0.4:
        return f"{head}, {said}, {' '.join(clauses)}"
    return " ".join([head, *clauses]) + (f", {said}" if said else "")


def _sentences(head: str, facts: Sequence[Fact], rng: random.Random) -> str:
    """Several sentences: "a chair. it stands on four legs. it has a tall back"."""
    phrases = _by_frame(facts, rng)
    clauses = [f"it {rng.choice(('stands on', 'rests on', 'is carried by'))} {text}" for text in phrases["on"]]
    if phrases["has"]:
        clauses.append(f"it {rng.choice(('has', 'shows', 'comes with'))} {_listed(phrases['has'])}")
    clauses += [f"it is {_listed(phrases['is'])}"] if phrases["is"] else []
    rng.shuffle(clauses)
    return rng.choice((". ", "; ")).join([head, *clauses])


def _carried(head: str, facts: Sequence[Fact], rng: random.Random) -> str:
    """The supports first: "four thin legs carrying a flat seat with a tall back"."""
    supports = [fact for fact in facts if fact.frame == "on"]
    rest = [fact for fact in facts if fact.frame != "on"]
    if not supports:
        return _flowing(head, facts, rng)
    return f"{_listed([_phrase(fact, rng) for fact in supports])} {rng.choice(_CARRIES)} {_flowing(head, rest, rng)}"


def _some(facts: Sequence[Fact], rng: random.Random) -> list[Fact]:
    """A random choice of facts in random order, more often many than few."""
    if not facts:
        return []
    count = max(rng.randint(1, len(facts)), rng.randint(1, len(facts)))
    return rng.sample(list(facts), min(count, 5))


def _nameless(parse: Parse, rng: random.Random) -> str:
    head = f"a {expand(parse.head, rng)}"
    # The head may be a part ("a square seat"), so what is true of the whole has to say so.
    whole = [*(fact.text for fact in proportions(parse)), *parse.overall]
    own = [fact for fact in parse.facts if fact.role is None or fact.role != parse.head_role]
    chosen = _some([*own, *(Fact("is", f"{text} {{overall|as a whole}}") for text in whole)], rng)
    return rng.choice((_flowing, _flowing, _flowing, _carried, _sentences))(head, chosen, rng)


def _named(parse: Parse, rng: random.Random) -> str:
    kind = rng.random()
    adjectives = [expand(text, rng) for text in parse.overall if rng.random() < 0.5]
    head = " ".join(["a", *adjectives, parse.family])
    if kind < 0.08:
        return head
    if kind < 0.25:
        joint = rng.choice((": {}", ", which is {}", ", that is, {}", " made of {}", " in the form of {}"))
        return head + joint.format(_nameless(parse, rng))
    return rng.choice((_flowing, _flowing, _flowing, _sentences))(
        head, _some([*parse.facts, *proportions(parse)], rng), rng
    )


def _forbidden(exclude_words: Collection[str]) -> re.Pattern[str] | None:
    """Matches any of the words as whole words, singular or plural."""
    forms = {form for word in exclude_words for form in (word.lower(), plural(word.lower()))}
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(forms)))})\b") if forms else None


@lru_cache(maxsize=8)
def _forbidden_cached(exclude_words: frozenset[str]) -> re.Pattern[str] | None:
    return _forbidden(exclude_words)


def contains_word(text: str, words: Collection[str]) -> bool:
    """Whether a text says any of the words or phrases, singular or plural, as whole words."""
    pattern = _forbidden(words)
    return pattern is not None and pattern.search(text.lower()) is not None


def make_captions(parse: Parse, rng: random.Random, count: int = 8, exclude_words: Collection[str] = ()) -> list[str]:
    """Up to `count` different captions, by turns with the object's name and in geometric words only.

    Captions with any of `exclude_words` are dropped, and others made in their place as long as there are any.
    """
    forbidden = _forbidden_cached(frozenset(exclude_words))
    room = {_named: count - count // 2, _nameless: count // 2}
    captions: list[str] = []
    for attempt in range(8 * count):
        make = _named if attempt % 2 == 0 else _nameless
        # One kind may run out of captions, as when its words are excluded: late on, the other fills its room.
        if room[make] <= 0 and attempt < 4 * count:
            continue
        text = make(parse, rng)
        if rng.random() < 0.15:
            text = rng.choice(_WRAPPERS).format(text)
        text = fix_articles(text)
        if text not in captions and not (forbidden and forbidden.search(text)):
            captions.append(text)
            room[make] -= 1
        if len(captions) == count:
            break
    return captions


def describe_combination(family: Family, pair: tuple[Any, Any]) -> str:
    """The canonical sentence of a combination of attributes: "a table with a round top on one central column"."""
    if family.pair is None:
        raise ValueError(f"{family.name} has no combinations")
    spoken = [_NUMBERS[value] if isinstance(value, int) else value for value in pair]
    return fix_articles(family.sentence.format_map(dict(zip(family.pair, spoken, strict=True))))
