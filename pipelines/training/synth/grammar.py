"""Skeleton grammar: text files of rules, parsed once, expanded with a seeded generator (see README.md)."""

import random
import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

ESCAPES = {"n": "\n", "t": "\t"}


class SkeletonError(ValueError):
    """A skeleton line that cannot be parsed; the message names file and line."""


@dataclass
class Line:
    weight: float
    scenes: frozenset[str]
    nodes: list
    source: str


@dataclass
class Grammar:
    name: str
    settings: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[Line]] = field(default_factory=dict)


def parse(text: str) -> list:
    """Nodes: ('t', text) ('s', slot) ('o', chance, nodes) ('a', [(weight, nodes)]) ('r', rule, low, high, separator)."""
    nodes, end = _sequence(text, 0, "")
    if end != len(text):
        raise SkeletonError(f"stray {text[end]!r} at {end}")
    return nodes


def _sequence(text: str, i: int, stops: str):
    nodes, buffer = [], []
    def flush():
        if buffer:
            nodes.append(("t", "".join(buffer)))
            buffer.clear()
    while i < len(text):
        c = text[i]
        if c in stops:
            break
        if c == "\\":
            buffer.append(ESCAPES.get(text[i + 1], text[i + 1]))
            i += 2
        elif c == "{":
            end = text.index("}", i)
            flush()
            nodes.append(("s", text[i + 1:end]))
            i = end + 1
        elif c == "<":
            end = text.index(">", i)
            flush()
            nodes.append(_rule(text[i + 1:end]))
            i = end + 1
        elif c == "[":
            flush()
            inner, j = _sequence(text, i + 1, "]")
            _expect(text, j, "]")
            chance = 0.5
            if inner and inner[0][0] == "t" and ":" in inner[0][1][:4] and inner[0][1].split(":")[0].isdigit():
                head, rest = inner[0][1].split(":", 1)
                chance, inner = int(head) / 100, ([("t", rest)] if rest else []) + inner[1:]
            nodes.append(("o", chance, inner))
            i = j + 1
        elif c == "(":
            flush()
            options, j = [], i
            while True:
                inner, j = _sequence(text, j + 1, "|)")
                options.append((1.0, inner))
                if j >= len(text):
                    raise SkeletonError("unclosed (")
                if text[j] == ")":
                    break
            nodes.append(("a", options))
            i = j + 1
        elif c in ")]}":
            raise SkeletonError(f"stray {c!r} at {i}")
        else:
            buffer.append(c)
            i += 1
    flush()
    return nodes, i


def _expect(text, i, c):
    if i >= len(text):
        raise SkeletonError(f"missing {c!r}")


def _rule(body: str):
    body, _, sep = body.partition(";")
    name, _, count = body.partition("*")
    low, _, high = count.partition("-")
    low = int(low or 1)
    return ("r", name, low, int(high or low), sep.replace("\\n", "\n"))


@lru_cache(None)
def load(name: str) -> Grammar:
    grammar = Grammar(name)
    lines: list[Line] | None = None
    path = files(__package__) / "skeletons" / f"{name}.txt"
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip(" ")
        if not line or line.startswith("#"):
            continue
        if line.startswith("%"):
            key, _, value = line[1:].partition(" ")
            grammar.settings[key] = value
            continue
        if re.fullmatch(r"@[a-z]\w*", line):
            lines = grammar.rules.setdefault(line[1:], [])
            continue
        weight, scenes = 1.0, frozenset()
        if line.startswith("*"):
            head, _, line = line[1:].partition(" ")
            weight = float(head)
        if line.startswith("?"):
            head, _, line = line[1:].partition(" ")
            scenes = frozenset(head.split(","))
        if lines is None:
            raise SkeletonError(f"{name}.txt:{number}: line before any @rule")
        try:
            lines.append(Line(weight, scenes, parse(line), line))
        except (SkeletonError, ValueError) as error:
            raise SkeletonError(f"{name}.txt:{number}: {error}") from error
    return grammar


@lru_cache(None)
def genres() -> tuple[str, ...]:
    names = (p.name for p in (files(__package__) / "skeletons").iterdir())
    return tuple(sorted(n[:-4] for n in names if n.endswith(".txt") and not n.startswith("_")))


@lru_cache(None)
def shared() -> dict[str, list[Line]]:
    """Rules of all files whose names begin with '_', usable from every genre."""
    names = sorted(p.name for p in (files(__package__) / "skeletons").iterdir() if p.name.startswith("_"))
    out: dict[str, list[Line]] = {}
    for name in names:
        out.update(load(name[:-4]).rules)
    return out


class Expander:
    """Walks the nodes, handing literal text and slots to a document."""

    def __init__(self, rng: random.Random, grammar: Grammar, document):
        self.rng, self.grammar, self.document = rng, grammar, document
        self.used: set[int] = set()

    def rule(self, name: str, low: int = 1, high: int = 1, sep: str = "") -> None:
        lines = self.grammar.rules.get(name) or shared().get(name)
        if not lines:
            raise SkeletonError(f"{self.grammar.name}: no rule {name!r}")
        count = self.rng.randint(low, high)
        fitting = [x for x in lines if not x.scenes or self.document.scene in x.scenes]
        repeat = len(fitting) < 4
        for k in range(count):
            pool = fitting if repeat else [x for x in fitting if id(x) not in self.used] or fitting
            line = self.rng.choices(pool, [x.weight for x in pool])[0]
            if len(line.nodes) > 1 or line.nodes[0][0] != "r":
                self.used.add(id(line))  # a sentence once per document; a bare <rule> may come again
            if k and sep:
                self.document.text(sep)
            elif k:
                self.document.close()
            self.nodes(line.nodes)

    def nodes(self, nodes: list) -> None:
        previous = ""
        for node in nodes:
            if previous == node[0] == "r":
                self.document.close()
            previous = node[0]
            match node:
                case ("t", text):
                    self.document.text(text)
                case ("s", slot):
                    self.document.slot(slot)
                case ("o", chance, inner):
                    if self.rng.random() < chance:
                        self.nodes(inner)
                case ("a", options):
                    self.nodes(self.rng.choice(options)[1])
                case ("r", name, low, high, sep):
                    self.rule(name, low, high, sep)
