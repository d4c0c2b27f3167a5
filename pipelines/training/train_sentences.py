"""Fine-tunes the sentence encoder: like situations near, like words far apart.

    python train_sentences.py --name sentences --minutes 40
    python train_sentences.py --name sentences --minutes 40 --score-only

Writes $MUSUBI_TRAIN_DIR/runs/NAME/: model.pt, log.jsonl, card.json. Loss: over all passages of a batch,
cross-entropy between the softmax of the cosines and the grades (ListNet, Cao et al. 2007, with grades
3, 2, 1, 0 weighted as in WEIGHT): a text of another issue in the same situation is better than one of
another situation, and worse than one of the same constellation. The weights are averaged over the run
and then drawn back towards the base (Wortsman et al. 2022, robust fine-tuning): what the few thousand
texts do not mention should stay as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import encoder
import retrieval
from preparation import prepare
from retrieval import PASSAGE, QUERY
from storage import base_dir, read_jsonl, sha256, train_dir, write_json
from train_ner import Averaged, has_bfloat16, settle

WEIGHT = {3: 1.0, 2: 0.3, 1: 0.1}
TOWARDS_BASE = 0.2
LONGEST = 256
"""Tokens in training; the runtime takes up to 512."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--name", required=True)
    add("--minutes", type=float, default=40)
    add("--lr", type=float, default=4e-5)
    add("--temperature", type=float, default=0.05)
    add("--groups", type=int, default=8, help="areas per batch")
    add("--passages", type=int, default=6, help="at most so many judged passages per area and batch")
    add("--queries", type=int, default=3, help="questions per area and batch")
    add("--dropout", type=float, default=0.1)
    add("--thin", type=float, default=0.15, help="share of sentences left out")
    add("--held-out", type=float, default=0.1, help="share of the groups, to watch the run")
    add("--ema", type=float, default=0.99)
    add("--towards-base", type=float, default=TOWARDS_BASE, help="0: the trained weights, 1: the base")
    add("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "2")))
    add("--seed", type=int, default=1)
    add("--score-only", action="store_true", help="score runs/NAME/model.pt, drawn towards the base, and end")
    return parser.parse_args()


class Texts:
    """Token ids as the runtime makes them."""

    def __init__(self) -> None:
        self.tokenizer = Tokenizer.from_file(str(base_dir() / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self._known: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        if text not in self._known:
            prefix, _, rest = text.partition(" ")
            self._known[text] = self.tokenizer.encode(f"{prefix} {prepare(rest).text}").ids
        return self._known[text]

    def batch(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [self.ids(text) for text in texts]
        ids = torch.ones(len(rows), max(map(len, rows)), dtype=torch.long)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
        return ids, ids != 1


def vectors(model: encoder.Sentences, texts: Texts, strings: Sequence[str], size: int = 32) -> np.ndarray:
    """Unit vectors, one row per text; texts of like length together."""
    order = sorted(range(len(strings)), key=lambda i: len(texts.ids(strings[i])))
    out = np.zeros((len(strings), model.positions.shape[1]), np.float32)
    model.eval()
    with torch.inference_mode():
        for at in range(0, len(order), size):
            some = order[at : at + size]
            ids, mask = texts.batch([strings[i] for i in some])
            out[some] = model(ids, mask).numpy()
    return out


def scores(model: encoder.Sentences, texts: Texts, held: Sequence[dict]) -> dict[str, float]:
    sets = [(name, *rest) for name, *rest in retrieval.evaluation_sets()]
    for name, kind in (("situations held out", True), ("needs held out", False)):
        areas = [retrieval.area(group) for group in held if ("variants" in group) == kind]
        if areas:
            sets.append((name, *retrieval.judged(areas)))
    out = {}
    for name, queries, passages, grades in sets:
        asked = vectors(model, texts, [QUERY + q for q in queries])
        found = vectors(model, texts, [PASSAGE + p for p in passages])
        out[name] = round(float(np.mean(retrieval.score(asked, found, grades))), 4)
    return out


def step_texts(groups: Sequence[dict], rng: random.Random, s: argparse.Namespace) -> tuple[list[str], list[str], torch.Tensor]:
    """Questions, passages and the weight of each passage for each question."""
    queries: list[str] = []
    passages: list[str] = []
    pairs: list[tuple[int, int, float]] = []
    for group in groups:
        area = retrieval.area(group, rng)
        asked = rng.sample(range(len(area.queries)), min(s.queries, len(area.queries)))
        good = {p for (q, p), g in area.grades.items() if q in asked}
        bad = [p for p in range(len(area.passages)) if p not in good]
        kept = rng.sample(sorted(good), min(s.passages, len(good))) + rng.sample(bad, min(2, len(bad)))
        place = {p: len(passages) + i for i, p in enumerate(kept)}
        passages += [PASSAGE + retrieval.thinned(area.passages[p], rng, s.thin) for p in kept]
        for q in asked:
            weights = {place[p]: WEIGHT[area.grades[q, p]] for p in kept if (q, p) in area.grades}
            if weights:
                pairs += [(len(queries), p, w) for p, w in weights.items()]
                queries.append(QUERY + retrieval.thinned(area.queries[q], rng, s.thin))
    target = torch.zeros(len(queries), len(passages))
    for q, p, w in pairs:
        target[q, p] = w
    return queries, passages, target / target.sum(1, keepdim=True)


def drawn_back(model: encoder.Sentences, trained: dict[str, torch.Tensor], share: float) -> None:
    """The trained weights, `share` of the way back to the base's."""
    base = encoder.sentences_from_base(base_dir() / "encoder.npz").state_dict()
    model.load_state_dict({name: torch.lerp(value, base[name], share) for name, value in trained.items()})


def main() -> None:
    s = arguments()
    settle(s.threads, s.seed)
    folder = train_dir() / "runs" / s.name
    folder.mkdir(parents=True, exist_ok=True)
    texts = Texts()
    model = encoder.sentences_from_base(base_dir() / "encoder.npz")
    rows = retrieval.groups()
    train, held = retrieval.split(rows, s.held_out, s.seed)
    if s.score_only:
        drawn_back(model, torch.load(folder / "model.pt", weights_only=True), s.towards_base)
        print(json.dumps({"towards_base": s.towards_base} | scores(model, texts, held)))
        return

    def note(**entry: object) -> None:
        line = json.dumps(entry, ensure_ascii=False)
        with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    model.words.weight.requires_grad_(False)
    averaged = Averaged(model, s.ema)
    learnt = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": [p for p in learnt if (p.dim() > 1) == matrix], "weight_decay": 0.01 if matrix else 0.0} for matrix in (True, False)],
        lr=s.lr,
        betas=(0.9, 0.98),
        fused=True,
    )
    dropout = encoder.Dropout(s.dropout, s.seed)
    rng = random.Random(s.seed)
    bfloat16 = has_bfloat16()
    note(event="start", groups=len(train), held_out=len(held), base=scores(model, texts, held))
    start = last = time.monotonic()
    cpu = time.process_time()
    step = epoch = 0
    loss_mean = 0.0
    while (progress := (time.monotonic() - start) / 60 / s.minutes) < 1:
        order = rng.sample(train, len(train))
        for at in range(0, len(order) - s.groups + 1, s.groups):
            progress = (time.monotonic() - start) / 60 / s.minutes
            if progress >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = s.lr * min(progress / 0.06, 1.0, max(0.03, (1 - progress) / 0.94))
            queries, passages, target = step_texts(order[at : at + s.groups], rng, s)
            model.train()
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                asked = model(*texts.batch(queries), dropout)
                found = model(*texts.batch(passages), dropout)
            logits = asked @ found.T / s.temperature
            loss = -(target * F.log_softmax(logits, -1)).sum(-1).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learnt, 1.0)
            optimiser.step()
            step += 1
            averaged.update(step)
            loss_mean = 0.97 * loss_mean + 0.03 * loss.item()
            if time.monotonic() - last > 240:
                last = time.monotonic()
                trained = model.state_dict()
                kept = {name: value.clone() for name, value in trained.items()}
                model.load_state_dict(averaged.state(model))
                note(step=step, epoch=epoch, progress=round(progress, 3), loss=round(loss_mean / (1 - 0.97**step), 4), **scores(model, texts, held))
                model.load_state_dict(kept)
        epoch += 1
    trained = averaged.state(model)
    drawn_back(model, trained, s.towards_base)
    torch.save(trained, folder / "model.pt")
    final = scores(model, texts, held)
    note(event="end", step=step, epoch=epoch, **final)
    write_json(
        folder / "card.json",
        {
            "run": s.name,
            "settings": vars(s),
            "data": {path.name: {"sha256": sha256(path), "groups": sum(1 for _ in read_jsonl(path))} for path in sorted(retrieval.RETRIEVAL.glob("*.jsonl"))},
            "trained": {"steps": step, "epochs": epoch, "wall_minutes": round((time.monotonic() - start) / 60, 1), "cpu_minutes": round((time.process_time() - cpu) / 60, 1)},
            "machine": {"bfloat16": bfloat16, "threads": s.threads, "torch": torch.__version__},
            "model": sha256(folder / "model.pt"),
            "scores": final,
        },
    )


if __name__ == "__main__":
    main()
