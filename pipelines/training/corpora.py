"""The public named-entity sets of datasets/ner in our labels.

    python corpora.py --out DIR      writes train.jsonl and held-out.jsonl, and prints counts

The mapping is data/corpora.toml. A twentieth of the documents, chosen by hash, is held out.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from labels import alternatives
from storage import HERE, PUBLIC_SETS, read_jsonl, train_dir, write_jsonl

HELD_OUT = 20
"""One document in so many."""


@dataclass(frozen=True)
class Rule:
    label: str
    endings: tuple[str, ...]
    contains: tuple[str, ...]
    longer_by: int
    """How many characters must stand before the ending."""

    def fits(self, text: str) -> bool:
        if any(part in text for part in self.contains):
            return True
        return any(text.endswith(e) and len(text) >= len(e) + self.longer_by for e in self.endings)


@dataclass(frozen=True)
class Mapping:
    sets: dict[str, dict[str, str]]
    kinds: dict[str, dict]
    rules: dict[str, Rule]
    unlabelled: str
    patterns: tuple[re.Pattern, ...]

    def label(self, set_name: str, theirs: str, text: str) -> str:
        """Our label (or alternatives) of an entity `text` that a set calls `theirs`."""
        ours = self.sets[set_name][theirs]
        kind = self.kinds.get(ours)
        if kind is None:
            return ours
        for name in kind.get("rules", ()):
            if self.rules[name].fits(text):
                return self.rules[name].label
        return kind["otherwise"]

    def zones(self, text: str, labelled: list[dict]) -> Iterator[dict]:
        """Stretches outside of `labelled` that may hold what the set does not label."""
        taken = bytearray(len(text))
        for span in labelled:
            taken[span["start"] : span["end"]] = b"\1" * (span["end"] - span["start"])
        for pattern in self.patterns:
            for found in pattern.finditer(text):
                if found.start() < found.end() and not any(taken[found.start() : found.end()]):
                    taken[found.start() : found.end()] = b"\1" * (found.end() - found.start())
                    yield {"start": found.start(), "end": found.end(), "label": self.unlabelled}


@cache
def mapping() -> Mapping:
    data = tomllib.loads((HERE / "data/corpora.toml").read_text(encoding="utf-8"))
    rules = {
        name: Rule(
            label=rule["label"],
            endings=tuple(rule.get("endings", ())),
            contains=tuple(rule.get("contains", ())),
            longer_by=rule.get("longer_by", 0),
        )
        for name, rule in data["rules"].items()
    }
    patterns = tuple(re.compile(pattern) for pattern in data["unlabelled"]["patterns"])
    out = Mapping(data["sets"], data["kinds"], rules, data["unlabelled"]["label"], patterns)
    certain = [ours for labels in out.sets.values() for ours in labels.values() if ours not in out.kinds]
    kinds = [kind["otherwise"] for kind in out.kinds.values()]
    for label in (*certain, *kinds, out.unlabelled, *(rule.label for rule in rules.values())):
        alternatives(label)
    return out


def document(row: dict) -> str:
    """What belongs together: a Wikipedia page, or a sentence where the set does not say more."""
    if "curid" in row:
        return row["curid"]
    return row["id"].split("-")[0] if row["id"].startswith("wiki") else row["id"]


def is_held_out(name: str) -> bool:
    return hashlib.sha1(name.encode()).digest()[0] % HELD_OUT == 0


def read_set(name: str, folder: Path = PUBLIC_SETS) -> Iterator[dict]:
    """Rows {id, set, document, text, spans} with our labels."""
    table = mapping()
    for row in read_jsonl(folder / name / "train.jsonl"):
        text = row["text"]
        spans = [
            {
                "start": span["start"],
                "end": span["end"],
                "label": table.label(name, span["label"], text[span["start"] : span["end"]]),
            }
            for span in row["spans"]
        ]
        spans.extend(table.zones(text, spans))
        spans.sort(key=lambda span: span["start"])
        yield {"id": row["id"], "set": name, "document": document(row), "text": text, "spans": spans}


def read_all(folder: Path = PUBLIC_SETS) -> tuple[list[dict], list[dict]]:
    """(training, held out)."""
    training: list[dict] = []
    held_out: list[dict] = []
    for name in mapping().sets:
        for row in read_set(name, folder):
            (held_out if is_held_out(name + row["document"]) else training).append(row)
    return training, held_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=train_dir() / "public")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, rows in zip(("train", "held-out"), read_all(), strict=True):
        write_jsonl(arguments.out / f"{name}.jsonl", iter(rows))
        counts = collections.Counter(span["label"] for row in rows for span in row["spans"])
        print(f"{name}: {len(rows)} sentences, {sum(len(row['text']) for row in rows)} characters")
        for label, count in counts.most_common():
            print(f"  {count:6} {label}")


if __name__ == "__main__":
    main()
