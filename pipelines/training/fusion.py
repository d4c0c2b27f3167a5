"""Learns how masking weighs its sources (pipelines/masking/data/fusion.toml).

    cargo run --release -p masking --example evidence < notes.jsonl > evidence.jsonl
    python fusion.py --pair notes.jsonl=evidence.jsonl … --model ner_int8.onnx --keep 0.3 --trim 0.08 --out ../masking/data/fusion.toml

A logistic model over what rules, dictionary and NER model say about a letter (names and order in
pipelines/masking/src/fusion.rs): whether the letter belongs to what must be hidden. Letters nobody speaks about are
left out, don't-care zones too. Ridge, Newton's method; no source may lower the probability (weights below 0 are set
to 0, the rest fitted again). Printed are log loss and calibration of five-fold
cross-validation over notes. Fit it on development sets whose errors may be known, never on the blind ones.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from evaluate import load_notes
from storage import read_jsonl, sha256

SOURCE = Path(__file__).parent.parent / "masking/src/fusion.rs"
RIDGE = 3.0
FREE = ("bias", "kanji", "hiragana", "katakana")
"""Only these may have weights below 0."""
FOLDS = 5


def feature_names() -> list[str]:
    """As the program orders them."""
    source = SOURCE.read_text(encoding="utf-8")
    block = re.search(r"FEATURES: \[&str; SIZE\] = \[(.*?)\];", source, re.S)
    size = re.search(r"const SIZE: usize = (\d+);", source)
    names = re.findall(r'"(\w+)"', block[1]) if block else []
    if not size or len(names) != int(size[1]):
        raise SystemExit("the list of features in fusion.rs cannot be read")
    return names


def read(notes: Path, evidence: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(letters × features, belongs to an entity, note of each letter)."""
    rows = {row["id"]: row["rows"] for row in read_jsonl(evidence)}
    values, truth, owner = [], [], []
    for note in load_notes(notes):
        state = np.zeros(len(note["text"]), np.int8)
        for span in note["spans"]:
            state[span["start"] : span["end"]] = -1 if span["optional"] else 1
        for at, features in rows[note["id"]]:
            if state[at] >= 0:
                values.append(features)
                truth.append(state[at])
                owner.append(f"{notes.name}/{note['id']}")
    return np.array(values), np.array(truth, float), owner


def probability(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values @ weights, -30, 30)))


def fit(values: np.ndarray, truth: np.ndarray, free: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """Newton's method; the bias (first feature) is not drawn to 0. Weights below 0 only where `free`."""
    used = np.ones(values.shape[1], bool)
    while True:
        weights = np.zeros(values.shape[1])
        weights[used] = _newton(values[:, used], truth, ridge)
        below = (weights < 0) & ~free
        if not below.any():
            return weights
        used &= ~below


def _newton(values: np.ndarray, truth: np.ndarray, ridge: float) -> np.ndarray:
    weights = np.zeros(values.shape[1])
    pull = np.full(values.shape[1], ridge)
    pull[0] = 1e-6
    for _ in range(50):
        p = probability(values, weights)
        gradient = values.T @ (p - truth) + pull * weights
        curvature = (values * (p * (1 - p))[:, None]).T @ values + np.diag(pull)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def log_loss(p: np.ndarray, truth: np.ndarray) -> float:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())


def cross_validated(values: np.ndarray, truth: np.ndarray, owner: list[str], free: np.ndarray) -> np.ndarray:
    """For each letter the probability by weights that have not seen its note."""
    fold = np.array([sum(name.encode()) % FOLDS for name in owner])
    out = np.zeros(len(truth))
    for number in range(FOLDS):
        out[fold == number] = probability(values[fold == number], fit(values[fold != number], truth[fold != number], free))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", action="append", required=True, metavar="NOTES=EVIDENCE")
    parser.add_argument("--keep", type=float, required=True, help="mean probability a proposal needs")
    parser.add_argument("--trim", type=float, required=True, help="less probable letters are cut off the ends")
    parser.add_argument("--model", type=Path, required=True, help="the NER model that spoke")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    names = feature_names()
    parts = [read(*map(Path, pair.split("="))) for pair in arguments.pair]
    values = np.concatenate([part[0] for part in parts])
    truth = np.concatenate([part[1] for part in parts])
    owner = [name for part in parts for name in part[2]]
    free = np.isin(names, FREE)
    p = cross_validated(values, truth, owner, free)
    inside = probability(values[:, 1:2] * 7, np.ones(1))
    print(f"{len(truth)} letters of {len(set(owner))} notes; log loss {log_loss(p, truth):.4f}, of the NER model alone {log_loss(inside, truth):.4f}")
    edges = np.array([0, 0.05, 0.15, 0.3, 0.5, 0.7, 0.9, 1.0001])
    for low, high in zip(edges, edges[1:]):
        some = (low <= p) & (p < high)
        if some.any():
            print(f"said {low:.2f}–{min(high, 1):.2f}: {some.sum():6} letters, mean {p[some].mean():.3f}, true {truth[some].mean():.3f}")
    for keep in (0.1, 0.2, 0.3, 0.4, 0.5):
        print(f"letters from {keep}: {(truth[p < keep]).sum() / truth.sum():.4f} of what must be hidden stays, {(p[truth == 0] >= keep).sum()} plain letters go")
    weights = fit(values, truth, free)
    for name, weight in zip(names, weights, strict=True):
        print(f"{name:28} {weight:8.3f}")
    if arguments.out:
        sets = ", ".join(Path(pair.split("=")[0]).parent.name + "/" + Path(pair.split("=")[0]).name for pair in arguments.pair)
        lines = [
            "# How the sources are weighed (src/fusion.rs). Written by pipelines/training/fusion.py; do not edit.",
            f"# Learnt on {len(truth)} letters of {sets}; log loss {log_loss(p, truth):.4f} (cross-validated).",
            f'model = "{sha256(arguments.model)}"',
            f"keep = {arguments.keep}",
            f"trim = {arguments.trim}",
            "",
            "[weights]",
            *(f"{name} = {weight:.4f}" for name, weight in zip(names, weights, strict=True)),
        ]
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
