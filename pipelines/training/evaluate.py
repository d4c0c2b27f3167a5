"""Scores a model alone (no register, no rules, no dictionary) on notes with gold spans.

    python evaluate.py --model ner.onnx --set masking-dev=../../datasets/evaluation/masking-dev/notes.jsonl
    python evaluate.py --model runs/NAME/model.pt --set …     the torch model instead

Definitions are those of datasets/evaluation/masking-dev/score.py, whose functions are called here:
an entity leaks when any letter, digit, kana or kanji of it stays visible, whatever label covers it;
over-masking is the share of the other characters that is masked. Intervals: 95 %, bootstrap over notes.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import random
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from tokenizers import Tokenizer

from labels import DONT_CARE, LABELS
from storage import DATASETS, read_jsonl, write_json, write_jsonl
from tagging import TextTagger, onnx_logits, torch_logits

MASKING_DEV = DATASETS / "evaluation/masking-dev"
HEAD = ("PERSON", "ADDRESS")
NUMBERS = ("PHONE", "EMAIL", "POSTAL_CODE", "ID_NUMBER", "ACCOUNT", "BIRTHDATE")
SEED, ROUNDS = 20240601, 1000


@cache
def reference() -> ModuleType:
    """masking-dev's own score.py."""
    spec = importlib.util.spec_from_file_location("masking_dev_score", MASKING_DEV / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_notes(path: Path) -> list[dict]:
    """Notes {id, genre, text, spans}; spans of don't-care labels become optional."""
    notes = []
    for row in read_jsonl(path):
        spans = [
            span
            | {
                "text": row["text"][span["start"] : span["end"]],
                "optional": bool(span.get("optional")) or span["label"] in DONT_CARE,
            }
            for span in row["spans"]
        ]
        notes.append({"genre": "", **row, "spans": spans})
    return notes


@dataclass
class Rate:
    hits: int
    of: int
    low: float | None = None
    high: float | None = None

    @property
    def value(self) -> float:
        return self.hits / self.of if self.of else 0.0

    def __str__(self) -> str:
        interval = "" if self.low is None else f"  [{100 * self.low:5.1f}, {100 * self.high:5.1f}]"
        return f"{100 * self.value:6.2f} %{interval}  {self.hits}/{self.of}"

    def as_json(self) -> dict:
        out = {"rate": round(self.value, 5), "n": self.of}
        return out if self.low is None else out | {"ci95": [round(self.low, 5), round(self.high, 5)]}


@dataclass
class Report:
    notes: int
    rates: dict[str, Rate]
    """`PERSON+ADDRESS`, `over-masking`, `numbers`, each label, `form: …`, `clean notes`."""
    leaks: list[tuple[str, str, str]]
    """(note, label, context); for reading, never for logs of real notes."""
    over_masked: collections.Counter

    def brief(self) -> dict:
        return {key: round(rate.value, 4) for key, rate in self.rates.items() if not key.startswith("form")}

    def table(self) -> str:
        return "\n".join(f"{key:32} {rate}" for key, rate in self.rates.items())


def _counts(note: dict, predicted: list[dict]) -> tuple[dict[str, list[int]], dict]:
    """{rate: [hits, of]} of one note, and the reference's own record."""
    record = reference().score_note(note, predicted)[0]
    out: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])

    def add(key: str, hits: int, of: int) -> None:
        out[key][0] += hits
        out[key][1] += of

    for label in LABELS:
        leaked, entities = record["partly"][label], record["ents"][label]
        for key in (label, *(("PERSON+ADDRESS",) if label in HEAD else ()), *(("numbers",) if label in NUMBERS else ())):
            add(key, leaked, entities)
    add("over-masking", record["over"], record["nonpii"])
    add("notes with something visible", bool(record["errors"]), 1)
    for form, (entities, leaked) in record["cls"].items():
        add(f"form: PERSON {form}", leaked, entities)
    if any("form" in span for span in note["spans"]):
        covered = bytearray(len(note["text"]))
        for span in predicted:
            covered[span["start"] : span["end"]] = b"\1" * (span["end"] - span["start"])
        for span in note["spans"]:
            if span["optional"] or not span.get("form"):
                continue
            letters = [i for i in range(span["start"], span["end"]) if note["text"][i].isalnum()]
            add(f"form: {span['label']} / {span['form']}", any(not covered[i] for i in letters), 1)
    return out, record


def score(notes: list[dict], predictions: list[list[dict]], rounds: int = ROUNDS) -> Report:
    parts, records = zip(*(_counts(n, p) for n, p in zip(notes, predictions, strict=True)), strict=True)
    keys = list(dict.fromkeys(key for part in parts for key in part))
    order = ["PERSON+ADDRESS", "over-masking", "notes with something visible", "numbers", *LABELS]
    keys.sort(key=lambda key: (order.index(key), "") if key in order else (len(order), key))
    rates = {}
    for key in keys:
        rates[key] = Rate(sum(p[key][0] for p in parts if key in p), sum(p[key][1] for p in parts if key in p))
    generator = random.Random(SEED)
    drawn: dict[str, list[float]] = collections.defaultdict(list)
    for _ in range(rounds):
        chosen = [generator.randrange(len(parts)) for _ in parts]
        for key in keys:
            hits = of = 0
            for number in chosen:
                if key in parts[number]:
                    pair = parts[number][key]
                    hits, of = hits + pair[0], of + pair[1]
            drawn[key].append(hits / of if of else 0.0)
    for key, values in drawn.items():
        values.sort()
        rates[key].low = values[int(0.025 * len(values))]
        rates[key].high = values[int(0.975 * len(values)) - 1]
    leaks = [(n["id"], e[0], e[4]) for n, r in zip(notes, records, strict=True) for e in r["errors"]]
    over = collections.Counter(text for r in records for text in r["over_text"])
    return Report(len(notes), {key: rate for key, rate in rates.items() if rate.of}, leaks, over)


def load_tagger(model: Path, tokenizer: Path, outside_bias: float) -> TextTagger:
    if model.suffix == ".onnx":
        logits = onnx_logits(model)
    else:
        import encoder

        logits = torch_logits(encoder.load(model))
    return TextTagger(logits, Tokenizer.from_file(str(tokenizer)), outside_bias)


def named_path(text: str) -> tuple[str, Path]:
    name, _, path = text.rpartition("=")
    return name or Path(path).parent.name, Path(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help=".onnx or a run's model.pt")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer_ner.json beside the model by default")
    parser.add_argument("--set", type=named_path, action="append", metavar="NAME=FILE")
    parser.add_argument("--outside-bias", type=float, default=0.0)
    parser.add_argument("--errors", type=int, default=0, help="print so many leaks and over-maskings")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--predictions", type=Path, metavar="DIR", help="write them there, for score.py")
    arguments = parser.parse_args()
    tagger = load_tagger(
        arguments.model,
        arguments.tokenizer or arguments.model.with_name("tokenizer_ner.json"),
        arguments.outside_bias,
    )
    results = {}
    for name, path in arguments.set or [("masking-dev", MASKING_DEV / "notes.jsonl")]:
        notes = load_notes(path)
        began = time.process_time()
        predictions = [tagger.tag(note["text"]) for note in notes]
        seconds = time.process_time() - began
        report = score(notes, predictions)
        speed = sum(len(note["text"]) for note in notes) / seconds
        print(f"== {name}: {len(notes)} notes, {speed:.0f} characters per CPU second, tokenising in Python included")
        print(report.table())
        if arguments.errors:
            print("\nleaks:")
            for leak in report.leaks[: arguments.errors]:
                print("  ", *(part.replace("\n", "⏎") for part in leak))
            print("over-masked:", report.over_masked.most_common(arguments.errors))
        if arguments.predictions:
            arguments.predictions.mkdir(parents=True, exist_ok=True)
            rows = ({"id": n["id"], "spans": p} for n, p in zip(notes, predictions, strict=True))
            write_jsonl(arguments.predictions / f"{name}.jsonl", rows)
        results[name] = {key: rate.as_json() for key, rate in report.rates.items()} | {"notes": report.notes}
    if arguments.json:
        write_json(arguments.json, results)


if __name__ == "__main__":
    main()
