"""A trained model as the file the runtime loads.

    python export.py --run NAME --out DIR [--calibrate FILE.jsonl]

Writes DIR/ner_int8.onnx, DIR/tokenizer_ner.json and DIR/manifest-ner.json (the entries for
models/artifacts/manifest.json), after comparing torch, float32 ONNX and int8 ONNX on text.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import corpora
import encoder
import int8
from alignment import tokenise
from evaluate import load_notes, score
from labels import CLASSES, LABELS, RUNTIME_LABELS
from preparation import windows
from storage import read_jsonl, sha256, train_dir, write_json
from tagging import TextTagger, onnx_logits, torch_logits

LIMIT = 25_000_000


def calibration_texts(path: Path | None, tokenizer: Tokenizer, count: int = 160) -> list[list[int]]:
    """Windows of training text, half of it from the public sets."""
    rows = itertools.islice(corpora.read_set("ner-wikipedia"), 0, 4000, 40)
    texts = [row["text"] for row in rows][: count // 2]
    if path:
        texts += [row["text"] for row in itertools.islice(read_jsonl(path), count // 2)]
    parts = [text[w.first : w.last] for text in texts for w in windows(text)[:2]]
    return [tokenise(part, tokenizer).ids[:256] for part in parts if part.strip()]


def parity(name: str, reference, other, texts: list[list[int]]) -> dict:
    """How often two models call a token the same, and how far their logits lie apart."""
    same = total = 0
    furthest, differences = 0.0, []
    for ids in texts:
        a, b = reference(ids), other(ids)
        same += int((a.argmax(-1) == b.argmax(-1)).sum())
        total += len(a)
        furthest = max(furthest, float(np.abs(a - b).max()))
        differences.append(np.abs(a - b).mean())
    out = {"same_class": round(same / total, 5), "largest": round(furthest, 4), "mean": round(float(np.mean(differences)), 5)}
    print(f"parity torch / {name}: {out}")
    return out


def manifest_entry(path: Path, licence: str, data: list[str], scores: dict) -> dict:
    return {
        "file": path.name,
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "licence": licence,
        "data": data,
        "scores": scores,
    }


def manifest(folder: Path, card: dict, scores: dict, version: str) -> dict:
    """Entries for models/artifacts/manifest.json."""
    synthetic = sum(v["notes"] for v in card["data"]["synthetic"].values() if isinstance(v, dict))
    data = ["multilingual-e5-small (MIT)"]
    if card["data"]["public"]:
        data += [
            "ner-wikipedia (CC BY-SA 3.0)",
            "UD Japanese GSD r2.8-NE (CC BY-SA 4.0)",
            "Wikipedia Annotated Corpus (CC BY-SA 4.0)",
        ]
    data.append(f"合成記録 {synthetic:,} 件（本プロジェクト）")

    return {
        "version": version,
        "files": [
            manifest_entry(folder / "ner_int8.onnx", "CC-BY-SA-4.0", data, scores),
            manifest_entry(folder / "tokenizer_ner.json", "MIT", ["multilingual-e5-small (MIT)"], {}),
        ],
        "ner": {
            "model": "ner_int8.onnx",
            "tokenizer": "tokenizer_ner.json",
            "classes": list(CLASSES),
            "labels": {label: RUNTIME_LABELS[label] for label in LABELS},
            "outside_bias": 0.0,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--calibrate", type=Path, metavar="FILE", help="synthetic notes the run was trained on")
    parser.add_argument("--weights", choices=("signed", "reduced", "unsigned"), default="unsigned")
    parser.add_argument("--set", type=Path, action="append", default=[], help="notes to score for the manifest")
    arguments = parser.parse_args()
    folder = train_dir() / "runs" / arguments.run
    out = arguments.out or folder / "export"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model = encoder.load(folder / "model.pt")
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    shutil.copyfile(folder / "tokenizer_ner.json", out / "tokenizer_ner.json")
    tokenizer = Tokenizer.from_file(str(out / "tokenizer_ner.json"))

    texts = calibration_texts(arguments.calibrate, tokenizer)
    target = out / "ner_int8.onnx"
    reference = torch_logits(model)
    results = int8.write(
        model, texts, target, arguments.weights, lambda path, name: parity(name, reference, onnx_logits(path), texts[::2])
    )
    size = target.stat().st_size
    print(f"{target}: {size:,} bytes")
    if size > LIMIT:
        raise SystemExit(f"larger than {LIMIT:,} bytes")

    scores: dict[str, float] = {}
    tagger = TextTagger(onnx_logits(target), tokenizer)
    for path in arguments.set:
        notes = load_notes(path)
        rates = score(notes, [tagger.tag(note["text"]) for note in notes]).rates
        for key, label in {
            "PERSON+ADDRESS": "person+address entity leak",
            "over-masking": "over-masking",
            "FACILITY": "facility entity leak",
        }.items():
            scores[f"{path.parent.name} {label}, model alone"] = round(rates[key].value, 4)
    write_json(out / "manifest-ner.json", manifest(out, card, scores, version=arguments.run))
    write_json(out / "export.json", {"parity": results, "bytes": size, "scores": scores, "weights": arguments.weights})


if __name__ == "__main__":
    main()
