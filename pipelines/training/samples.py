"""Training samples: windows of texts as token ids and permitted classes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from tokenizers import Tokenizer

from alignment import align
from labels import CLASSES
from preparation import WINDOW, windows
from tagging import MAX_TOKENS


@dataclass
class Samples:
    """`patterns[i]` holds the rows of `table` for the tokens of `ids[i]`; row 0 permits everything
    (<s>, </s>, padding)."""

    ids: list[np.ndarray] = field(default_factory=list)
    patterns: list[np.ndarray] = field(default_factory=list)
    entities: int = 0
    misaligned: int = 0
    _rows: dict[frozenset[int], int] = field(default_factory=lambda: {frozenset(range(len(CLASSES))): 0})

    def add(self, text: str, spans: Iterable[dict], tokenizer: Tokenizer) -> None:
        aligned = align(text, spans, tokenizer)
        if not 2 < len(aligned.ids) <= MAX_TOKENS:
            return
        rows = [self._rows.setdefault(classes, len(self._rows)) for classes in aligned.permitted]
        self.ids.append(np.array(aligned.ids, np.int64))
        self.patterns.append(np.array([0, *rows, 0], np.int64))
        self.entities += aligned.entities
        self.misaligned += aligned.misaligned

    @property
    def tokens(self) -> int:
        return sum(len(ids) for ids in self.ids)

    def table(self) -> np.ndarray:
        """patterns × classes, true where permitted."""
        out = np.zeros((len(self._rows), len(CLASSES)), bool)
        for classes, row in self._rows.items():
            out[row, list(classes)] = True
        return out


def cut(text: str, spans: list[dict], first: int, last: int) -> tuple[str, list[dict]]:
    """`first..last` of a text with what is left of the spans there. A span that is cut through keeps
    its label: half a name at the edge of a window is a name."""
    inside = [
        {"start": max(s["start"], first) - first, "end": min(s["end"], last) - first, "label": s["label"]}
        for s in spans
        if s["start"] < last and first < s["end"]
    ]
    return text[first:last], inside


def add_document(samples: Samples, row: dict, tokenizer: Tokenizer, rng: random.Random, flat: float) -> None:
    """Every window of a text as the runtime would read it; a share `flat` of texts loses its line
    breaks, as text pasted from elsewhere has none."""
    text = row["text"]
    if rng.random() < flat:
        text = text.replace("\n", " ")
    for window in windows(text):
        samples.add(*cut(text, row["spans"], window.first, window.last), tokenizer)


def joined(rows: list[dict], rng: random.Random, glues: tuple[str, ...]) -> Iterator[dict]:
    """Short texts put together, one to four of them up to a window's length: at run time most windows
    are full, and a name should not be expected near the start of one."""
    at = 0
    while at < len(rows):
        count = rng.choice((1, 1, 2, 3, 4))
        text, spans = "", []
        glue = rng.choice(glues)
        for row in rows[at : at + count]:
            if text and len(text) + len(row["text"]) > WINDOW:
                break
            shift = len(text)
            spans += [s | {"start": s["start"] + shift, "end": s["end"] + shift} for s in row["spans"]]
            text += row["text"] + glue
            at += 1
        yield {"text": text.rstrip("\n"), "spans": spans}


def batches(lengths: list[int], tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Sample numbers in batches of like length, at most `tokens` with padding. The same for the same
    seed and epoch, so that a run can be taken up again in the middle."""
    rng = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    rng.shuffle(order)
    out = []
    for at in range(0, len(order), 2048):
        pool = sorted(order[at : at + 2048], key=lambda i: lengths[i])
        batch: list[int] = []
        for i in pool:
            if batch and lengths[i] * (len(batch) + 1) > tokens:
                out.append(batch)
                batch = []
            batch.append(i)
        out.append(batch)
    rng.shuffle(out)
    return out
