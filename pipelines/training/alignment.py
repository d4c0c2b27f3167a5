"""Spans of a text → classes of its tokens, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tokenizers import Tokenizer

from labels import OUTSIDE, classes_for
from preparation import Prepared, prepare


@dataclass
class Tokens:
    """A tokenised text; `offsets` in code points of the original text, without <s> and </s>."""

    ids: list[int]
    offsets: list[tuple[int, int]]


def tokenise(text: str, tokenizer: Tokenizer) -> Tokens:
    prepared = prepare(text)
    encoding = tokenizer.encode(prepared.text)
    offsets = [_original(prepared, start, end) for start, end in encoding.offsets[1:-1]]
    return Tokens(encoding.ids, offsets)


def _original(prepared: Prepared, start: int, end: int) -> tuple[int, int]:
    if start == end:  # the ▁ put in front of the text
        at = prepared.origin[start][0] if start < len(prepared.origin) else 0
        return at, at
    return prepared.original(start, end)


@dataclass
class Aligned:
    ids: list[int]
    """With <s> and </s>."""
    permitted: list[frozenset[int]]
    """Permitted classes of each token without <s> and </s>."""
    entities: int
    """How many spans with one certain label there were …"""
    misaligned: int
    """… and how many of them end or start inside a token. Such tokens count as part of the entity:
    a letter too much is masked rather than one too few."""


def align(text: str, spans: Iterable[Mapping], tokenizer: Tokenizer) -> Aligned:
    """Classes of the tokens of `text`; `spans` are {start, end, label}, where the label may name
    alternatives (labels.alternatives). Certain labels win over open ones where spans meet in a token."""
    tokens = tokenise(text, tokenizer)
    permitted = [frozenset({OUTSIDE})] * len(tokens.offsets)
    entities = misaligned = 0
    taken = [False] * len(permitted)

    def is_open(span: Mapping) -> bool:
        return any(len(classes) != 1 for classes in classes_for(span["label"], 1))

    for span in sorted(spans, key=lambda s: (is_open(s), s["start"])):
        start, end = span["start"], span["end"]
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        inside = [i for i, (a, b) in enumerate(tokens.offsets) if a < end and start < b]
        free = [i for i in inside if not taken[i]]
        certain = not is_open(span)
        if certain and inside and span["label"] != "O":
            entities += 1
            edge = tokens.offsets[inside[0]], tokens.offsets[inside[-1]]
            if text[edge[0][0] : edge[1][1]].strip() != text[start:end] or free != inside:
                misaligned += 1
        if not free:
            continue
        for i, classes in zip(free, classes_for(span["label"], len(free)), strict=True):
            permitted[i] = classes
            taken[i] = True
    return Aligned(tokens.ids, permitted, entities, misaligned)
