"""A fine-tuned sentence encoder as the file the runtime loads.

    python export_sentences.py --run NAME

Writes runs/NAME/export/{sentences_int8.onnx, tokenizer.json, manifest-embedding.json}, after comparing
torch, float32 ONNX and int8 ONNX on text.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import encoder
import int8
import retrieval
from base import HIDDEN
from export import manifest_entry
from retrieval import PASSAGE, QUERY
from storage import base_dir, train_dir, write_json
from train_sentences import TOWARDS_BASE, Texts, drawn_back

LIMIT = 36_000_000


class Onnx:
    """One text at a time, as the runtime does it."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, ids: list[int]) -> np.ndarray:
        array = np.array([ids], np.int64)
        vector = self.session.run(["sentence_embedding"], {"input_ids": array, "attention_mask": np.ones_like(array)})[0][0]
        return vector / np.linalg.norm(vector)


def parity(name: str, reference: np.ndarray, model: Onnx, texts: list[list[int]]) -> dict:
    """Cosines with the torch vectors; `largest` is the largest difference of a component."""
    found = np.stack([model(ids) for ids in texts])
    cosines = (found * reference).sum(1)
    out = {
        "cosine_mean": round(float(cosines.mean()), 5),
        "cosine_least": round(float(cosines.min()), 5),
        "largest": round(float(np.abs(found - reference).max()), 5),
    }
    print(f"parity torch / {name}: {out}")
    return out


def ndcg_of(model: Onnx, texts: Texts) -> dict[str, float]:
    out = {}
    for name, queries, passages, grades in retrieval.evaluation_sets():
        asked = np.stack([model(texts.ids(QUERY + q)) for q in queries])
        found = np.stack([model(texts.ids(PASSAGE + p)) for p in passages])
        out[f"{name} nDCG@10, vectors alone"] = round(float(np.mean(retrieval.score(asked, found, grades))), 4)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True)
    parser.add_argument("--towards-base", type=float, default=TOWARDS_BASE, help="0: the trained weights, 1: the base")
    parser.add_argument("--weights", choices=("signed", "reduced", "unsigned"), default="unsigned")
    arguments = parser.parse_args()
    folder = train_dir() / "runs" / arguments.run
    out = folder / "export"
    out.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    model = encoder.sentences_from_base(base_dir() / "encoder.npz")
    drawn_back(model, torch.load(folder / "model.pt", weights_only=True), arguments.towards_base)
    model.eval()
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    shutil.copyfile(base_dir() / "tokenizer.json", out / "tokenizer.json")
    texts = Texts()
    areas = [retrieval.area(group) for group in retrieval.groups()[::2]]
    ids = [texts.ids(PASSAGE + area.passages[0]) for area in areas] + [texts.ids(QUERY + area.queries[0]) for area in areas]
    with torch.inference_mode():
        reference = np.stack([model(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.bool))[0].numpy() for row in ids])
    target = out / "sentences_int8.onnx"
    results = int8.write(model, ids, target, arguments.weights, lambda path, name: parity(name, reference, Onnx(path), ids))
    size = target.stat().st_size
    print(f"{target}: {size:,} bytes")
    if size > LIMIT:
        raise SystemExit(f"larger than {LIMIT:,} bytes")
    scores = ndcg_of(Onnx(target), texts)
    print(json.dumps(scores))
    data = ["multilingual-e5-small (MIT)"]
    count = sum(part["groups"] for part in card["data"].values())
    data.append(f"状況と困りごとの文 {count} 群（本プロジェクト）")
    write_json(
        out / "manifest-embedding.json",
        {
            "version": arguments.run,
            "files": [
                manifest_entry(target, "MIT", data, scores),
                manifest_entry(out / "tokenizer.json", "MIT", data[:1], {}),
            ],
            "embedding": {
                "model": target.name,
                "tokenizer": "tokenizer.json",
                "dimension": HIDDEN,
                "query_prefix": QUERY,
                "passage_prefix": PASSAGE,
            },
        },
    )
    write_json(out / "export.json", {"parity": results, "bytes": size, "scores": scores, "weights": arguments.weights, "towards_base": arguments.towards_base})


if __name__ == "__main__":
    main()
