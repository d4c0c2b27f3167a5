"""The classes of the token classifier and the only paths through them that make sense.

A token has one of 41 classes: `O`, or one of ten labels at one of four places in an entity (BIOES).
Training data may leave a token open: it then names every class that would be right ("alternatives"),
and the loss asks only that the model choose among them.
"""

from __future__ import annotations

import numpy as np

LABELS = (
    "PERSON",
    "ADDRESS",
    "FACILITY",
    "PHONE",
    "EMAIL",
    "POSTAL_CODE",
    "BIRTHDATE",
    "ID_NUMBER",
    "ACCOUNT",
    "OTHER_ID",
)
PLACES = "BIES"
CLASSES = ("O", *(f"{place}-{label}" for label in LABELS for place in PLACES))
OUTSIDE = 0

# What the Rust runtime calls them (models/src/ner.rs, NerLabel in snake case).
RUNTIME_LABELS = {label: label.lower() for label in LABELS}

ANY = "ANY"
"""Label of a stretch about which nothing is taught."""

FREE = "~"
"""`~BIRTHDATE`: the label at any place, where the ends of the entity are not known."""

# Labels that don't-care zones of different sources use.
DONT_CARE = frozenset({ANY, "OPT", "AGE", "INITIAL", "NATIONALITY"})


def class_of(place: str, label: str) -> int:
    """Number of the class `place`-`label`."""
    return 1 + len(PLACES) * LABELS.index(label) + PLACES.index(place)


def places(count: int) -> str:
    """The places of an entity of `count` tokens: S, BE, BIE, BIIE …"""
    return "S" if count == 1 else "B" + "I" * (count - 2) + "E"


def alternatives(label: str) -> tuple[str, ...]:
    """`ADDRESS|O` → ("ADDRESS", "O"); raises ValueError for what is no label."""
    if label in DONT_CARE:
        return (ANY,)
    parts = tuple(label.split("|"))
    for part in parts:
        if part != "O" and part.removeprefix(FREE) not in LABELS:
            raise ValueError(f"unknown label: {label}")
    return parts


def classes_for(label: str, count: int) -> list[frozenset[int]]:
    """The permitted classes of each of the `count` tokens of a stretch labelled `label`."""
    out: list[set[int]] = [set() for _ in range(count)]
    for part in alternatives(label):
        for permitted, place in zip(out, places(count), strict=True):
            if part == ANY:
                permitted.update(range(len(CLASSES)))
            elif part == "O":
                permitted.add(OUTSIDE)
            elif part.startswith(FREE):
                permitted.update(class_of(p, part[len(FREE) :]) for p in PLACES)
            else:
                permitted.add(class_of(place, part))
    return [frozenset(permitted) for permitted in out]


def may_follow(before: str, after: str) -> bool:
    """Whether class `after` may stand behind class `before`."""
    if before[0] in "BI":
        return after[0] in "IE" and after[2:] == before[2:]
    return after[0] in "OBS"


class Grammar:
    """Constrained decoding; the same paths as models/src/viterbi.rs."""

    IMPOSSIBLE = np.float32(-1e9)

    def __init__(self, classes: tuple[str, ...] = CLASSES) -> None:
        self.classes = tuple(classes)
        allowed = np.array([[may_follow(a, b) for b in classes] for a in classes])
        self._step = np.where(allowed, np.float32(0), self.IMPOSSIBLE)
        self._first = np.array(
            [0 if c[0] in "OBS" else self.IMPOSSIBLE for c in classes], np.float32
        )
        self._last = np.array([0 if c[0] in "OES" else self.IMPOSSIBLE for c in classes], np.float32)

    def decode(self, scores: np.ndarray) -> list[int]:
        """The best path through `scores` (tokens × classes, log probabilities)."""
        if len(scores) == 0:
            return []
        best = scores[0] + self._first
        back = []
        for row in scores[1:]:
            reach = best[:, None] + self._step
            origin = reach.argmax(0)
            back.append(origin)
            best = reach[origin, np.arange(len(row))] + row
        at = int((best + self._last).argmax())
        path = [at]
        for origin in reversed(back):
            at = int(origin[at])
            path.append(at)
        return path[::-1]

    def entities(self, path: list[int]) -> list[tuple[int, int, str]]:
        """(first token, last token, label) of every entity on a legal path."""
        out, open_at = [], 0
        for token, number in enumerate(path):
            name = self.classes[number]
            if name[0] in "BS":
                open_at = token
            if name[0] in "ES":
                out.append((open_at, token, name[2:]))
        return out


def log_softmax(logits: np.ndarray, outside_bias: float = 0.0) -> np.ndarray:
    """Row-wise; `outside_bias` is added to the logit of `O` first, as the runtime does."""
    logits = logits.astype(np.float32).copy()
    logits[:, OUTSIDE] += outside_bias
    logits -= logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
