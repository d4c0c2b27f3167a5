"""Training texts of the sentence encoder, and how well vectors rank.

Situations (datasets/retrieval/situations-*.jsonl): a *group* is one main situation, its *variants* differ
in family or issue, the texts of a variant tell of other households in other words; distractors share
the words of a group and not its situation. Needs (needs-*.jsonl): entries of schemes and services, and
questions in plain words with grades 0–3.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from storage import DATASETS, read_jsonl

RETRIEVAL = DATASETS / "retrieval"
SAME_VARIANT, SAME_GROUP = 3, 2
QUERY, PASSAGE = "query: ", "passage: "


@dataclass
class Area:
    """Texts that are judged against one another: question × passage → grade 1–3; what is not judged is 0,
    and so is everything of another area."""

    name: str
    queries: list[str] = field(default_factory=list)
    passages: list[str] = field(default_factory=list)
    grades: dict[tuple[int, int], int] = field(default_factory=dict)


def entry_text(entry: Mapping) -> str:
    """A scheme or service as the server embeds it (pipelines/similar, resources)."""
    parts = [entry["name"], entry.get("kind"), "・".join(entry.get("fields", [])), entry.get("eligibility"), entry.get("detail")]
    return "。".join(part for part in parts if part)


def situation_area(group: Mapping, rng: random.Random | None = None) -> Area:
    """Every text may ask and may be found, but not itself: questions are short texts and, drawn anew
    every time when `rng` is given, one record of each variant."""
    area = Area(group["group"])
    homes: list[tuple[int, int, str]] = []
    for number, variant in enumerate(group["variants"]):
        texts = variant["texts"]
        records = [at for at, text in enumerate(texts) if text["kind"] != "query_short"]
        asking = {at for at, text in enumerate(texts) if text["kind"] == "query_short"}
        asking.add(rng.choice(records) if rng else records[0])
        for at, text in enumerate(texts):
            if at in asking:
                homes.append((number, len(area.queries), "q"))
                area.queries.append(text["text"])
            else:
                homes.append((number, len(area.passages), "p"))
                area.passages.append(text["text"])
    for variant, query, kind in homes:
        if kind == "q":
            for other, passage, what in homes:
                if what == "p":
                    area.grades[query, passage] = SAME_VARIANT if other == variant else SAME_GROUP
    area.passages += [text["text"] for text in group.get("distractors", [])]
    return area


def need_area(group: Mapping, rng: random.Random | None = None) -> Area:
    del rng
    area = Area(group["group"], passages=[entry_text(entry) for entry in group["entries"]])
    number = {entry["id"]: at for at, entry in enumerate(group["entries"])}
    for at, query in enumerate(group["queries"]):
        area.queries.append(query["text"])
        for entry, grade in query["grades"].items():
            if grade:
                area.grades[at, number[entry]] = grade
    return area


def groups(folder: Path = RETRIEVAL) -> list[Mapping]:
    out = [row for path in sorted(folder.glob("*.jsonl")) for row in read_jsonl(path)]
    if not out:
        raise SystemExit(f"{folder}: no training texts")
    return out


def area(group: Mapping, rng: random.Random | None = None) -> Area:
    return (situation_area if "variants" in group else need_area)(group, rng)


def split(rows: Sequence[Mapping], share: float, seed: int) -> tuple[list[Mapping], list[Mapping]]:
    """Whole groups are held out, of both kinds alike."""
    rng = random.Random(seed)
    train, held = [], []
    for kind in (True, False):
        some = [row for row in rows if ("variants" in row) == kind]
        rng.shuffle(some)
        cut = round(len(some) * share)
        held += some[:cut]
        train += some[cut:]
    rng.shuffle(train)
    return train, held


def thinned(text: str, rng: random.Random, share: float) -> str:
    """Without some of its sentences, so that no single detail carries a text."""
    sentences = [s + "。" for s in text.split("。") if s]
    if len(sentences) < 3:
        return text
    kept = [s for s in sentences if rng.random() >= share]
    return "".join(kept or sentences)


def ndcg(ranked: Sequence[int], grades: Mapping[int, int], depth: int = 10) -> float:
    """Gain 2^grade − 1."""
    gain = lambda grade, place: (2**grade - 1) / math.log2(place + 2)  # noqa: E731
    got = sum(gain(grades.get(doc, 0), place) for place, doc in enumerate(ranked[:depth]))
    best = sum(gain(grade, place) for place, grade in enumerate(sorted(grades.values(), reverse=True)[:depth]))
    return got / best if best else 0.0


def judged(areas: Sequence[Area]) -> tuple[list[str], list[str], list[dict[int, int]]]:
    """Questions, passages and grades of several areas in one pool."""
    queries: list[str] = []
    passages: list[str] = []
    grades: list[dict[int, int]] = []
    for part in areas:
        shift = len(passages)
        passages += part.passages
        for number, query in enumerate(part.queries):
            queries.append(query)
            grades.append({shift + p: g for (q, p), g in part.grades.items() if q == number})
    return queries, passages, grades


def score(queries: np.ndarray, passages: np.ndarray, grades: Sequence[Mapping[int, int]]) -> list[float]:
    """nDCG@10 of every question by the product of its vector with the passages'."""
    order = np.argsort(-(queries @ passages.T), axis=1, kind="stable")
    return [ndcg(row.tolist(), wanted) for row, wanted in zip(order, grades, strict=True)]


def evaluation_sets(folder: Path = DATASETS / "evaluation") -> Iterator[tuple[str, list[str], list[str], list[dict[int, int]]]]:
    """name, questions, passages, grades of the sets under datasets/evaluation with queries and qrels."""
    for path in sorted(folder.glob("*/qrels.tsv")):
        home = path.parent
        corpus = next((home / name for name in ("corpus.jsonl", "entries.jsonl") if (home / name).exists()), None)
        if corpus is None:
            continue
        rows = list(read_jsonl(corpus))
        number = {row["id"]: at for at, row in enumerate(rows)}
        queries = list(read_jsonl(home / "queries.jsonl"))
        grades: dict[str, dict[int, int]] = {row["id"]: {} for row in queries}
        for line in path.read_text(encoding="utf-8").splitlines():
            query, document, grade = line.split("\t")
            if query in grades and grade.isdigit() and int(grade):
                grades[query][number[document]] = int(grade)
        texts = [row["text"] if corpus.name == "corpus.jsonl" else entry_text(row) for row in rows]
        yield home.name, [row["text"] for row in queries], texts, [grades[row["id"]] for row in queries]
