"""Trains the token classifier.

    python train_ner.py --name full --synth FILE.jsonl --minutes 140
    python train_ner.py --name full …same arguments… --resume

Writes $MUSUBI_TRAIN_DIR/runs/NAME/: checkpoint.pt (to resume), model.pt (averaged weights) with its
tokenizer_ner.json, log.jsonl, card.json. The learning rate follows the share of the budget that is used up: `--tokens` gives the same
run on every machine, `--minutes` one that fits into an evening; with both, what is reached first.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

# Before torch is loaded: a thread that waits for the other lets go of its core, which on a busy
# machine somebody else needs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

import corpora
import encoder
from base import LINE_BREAK, UNKNOWN
from evaluate import Report, load_notes, score
from labels import OUTSIDE
from samples import Samples, add_document, batches, joined
from storage import REPOSITORY, base_dir, read_jsonl, sha256, train_dir, write_json
from tagging import TextTagger, torch_logits

MIB = 1 << 20


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--name", required=True, help="of the run")
    add("--synth", type=Path, nargs="*", default=[], help="synthetic notes (JSONL)")
    add("--dev", type=Path, nargs="*", default=[], help="notes to score while training (JSONL), not trained on")
    add("--public", type=float, default=1.0, help="share of the public sets to use")
    add("--minutes", type=float, help="wall-clock budget")
    add("--tokens", type=float, help="budget in tokens")
    add("--layers", type=int, default=6)
    add("--start", type=Path, help="model.pt to start from instead of the base encoder")
    add("--lr", type=float, default=2e-4, help="of the layers")
    add("--head-lr", type=float, default=1e-3)
    add("--words-lr", type=float, default=0.0, help="of the word embeddings; 0 freezes them")
    add("--batch-tokens", type=int, default=2048)
    add("--dropout", type=float, default=0.1)
    add("--unknown", type=float, default=0.02, help="share of tokens replaced by <unk>: rare kanji")
    add("--fgm", type=float, default=0.0, help="length of the adversarial step on word vectors; 0 for none")
    add("--entity-weight", type=float, default=1.0, help="weight of tokens that are certainly an entity")
    add("--flat", type=float, default=0.15, help="share of texts without line breaks")
    add("--ema", type=float, default=0.998)
    add("--warm-up", type=float, default=0.05)
    add("--checkpoint-minutes", type=float, default=10)
    add("--dev-notes", type=int, default=80, help="at most so many per dev file while training")
    add("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "2")))
    add("--seed", type=int, default=1)
    add("--resume", action="store_true")
    out = parser.parse_args()
    if not out.minutes and not out.tokens:
        parser.error("a budget is needed: --minutes or --tokens")
    return out


def settle(threads: int, seed: int) -> None:
    """Out of the way of others; large blocks kept by malloc instead of mapped anew every step."""
    os.nice(19 - os.nice(0))
    if platform.system() == "Linux":
        libc = ctypes.CDLL(None)
        for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            libc.mallopt(option, 32 * MIB if option == -3 else 1024 * MIB)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; emulated it is slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def read_samples(settings: argparse.Namespace, tokenizer: Tokenizer) -> tuple[Samples, list[dict], dict]:
    """All training samples, held-out public sentences, and what they were made of for the run card."""
    rng = random.Random(settings.seed)
    samples = Samples()
    card: dict = {"public": {}, "synthetic": {}}
    held_out: list[dict] = []
    if settings.public > 0:
        rows, held_out = corpora.read_all()
        rng.shuffle(held_out)
        rows = [row for row in rows if rng.random() < settings.public]
        for row in joined(rows, rng, ("", "", "\n")):
            add_document(samples, row, tokenizer, rng, settings.flat)
        card["public"] = {
            name: sha256(corpora.PUBLIC_SETS / name / "train.jsonl") for name in corpora.mapping().sets
        } | {"sentences": len(rows), "tokens": samples.tokens, "misaligned": [samples.misaligned, samples.entities]}
    before = samples.tokens, samples.misaligned, samples.entities
    for path in settings.synth:
        rows = list(read_jsonl(path))
        for row in joined(rows, rng, ("\n", "\n\n")):
            add_document(samples, row, tokenizer, rng, settings.flat)
        card["synthetic"][path.name] = {"sha256": sha256(path), "notes": len(rows)}
    card["synthetic"]["tokens"] = samples.tokens - before[0]
    card["synthetic"]["misaligned"] = [samples.misaligned - before[1], samples.entities - before[2]]
    return samples, held_out, card


class Averaged:
    """Exponential moving average of the weights that are learnt."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.live = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.values = {name: p.detach().clone() for name, p in self.live.items()}

    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        live = [p.detach() for p in self.live.values()]
        torch._foreach_lerp_(list(self.values.values()), live, 1 - decay)

    def state(self, model: nn.Module) -> dict[str, torch.Tensor]:
        """A full state dict with the averages in it."""
        return {name: self.values.get(name, value).detach().clone() for name, value in model.state_dict().items()}


class Trainer:
    def __init__(self, settings: argparse.Namespace) -> None:
        self.settings = settings
        self.folder = train_dir() / "runs" / settings.name
        self.folder.mkdir(parents=True, exist_ok=True)
        # With the run, so that a later tokenizer cannot be paired with this model.
        kept = self.folder / "tokenizer_ner.json"
        if not (settings.resume and kept.exists()):
            shutil.copyfile(base_dir() / "tokenizer_ner.json", kept)
        self.tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer_ner.json"))
        self.line_break_id = self.tokenizer.token_to_id(LINE_BREAK)
        if settings.start:
            self.model = encoder.load(settings.start)
        else:
            self.model = encoder.from_base(base_dir() / "encoder.npz", settings.layers, self.line_break_id)
        self.model.words.weight.requires_grad_(settings.words_lr > 0)
        # Of the start: the work tree may move on while the run goes.
        self.revision = subprocess.run(
            ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip()
        self.samples, self.held_out, self.data_card = read_samples(settings, self.tokenizer)
        self.table = torch.from_numpy(self.samples.table())
        self.certain_entity = (self.table.sum(1) == 1) & ~self.table[:, OUTSIDE]
        self.averaged = Averaged(self.model, settings.ema)
        self.optimiser = self._optimiser()
        self.base_lr = [group["lr"] for group in self.optimiser.param_groups]
        self.bfloat16 = has_bfloat16()
        self.dropout = encoder.Dropout(settings.dropout, settings.seed)
        self.epoch = self.batch = self.step = self.tokens = 0
        self.elapsed = self.cpu = 0.0
        self.loss = 0.0
        self.scores: dict = {}

    def _optimiser(self) -> torch.optim.Optimizer:
        groups: dict[tuple[float, float], list] = {}
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad:
                continue
            s = self.settings
            rate = s.head_lr if name.startswith("head") else s.words_lr if name == "words.weight" else s.lr
            if name == "line_break":
                rate = s.head_lr
            decay = 0.01 if parameter.dim() > 1 and name != "words.weight" else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
        return torch.optim.AdamW(
            [{"params": ps, "lr": rate, "weight_decay": decay} for (rate, decay), ps in groups.items()],
            betas=(0.9, 0.98),
            fused=True,
        )

    # --- progress

    def progress(self) -> float:
        s = self.settings
        shares = [self.elapsed / 60 / s.minutes] if s.minutes else []
        if s.tokens:
            shares.append(self.tokens / s.tokens)
        return max(shares)

    def set_rate(self, progress: float) -> None:
        warm = self.settings.warm_up
        factor = progress / warm if progress < warm else max(0.02, (1 - progress) / (1 - warm))
        for group, rate in zip(self.optimiser.param_groups, self.base_lr, strict=True):
            group["lr"] = rate * max(factor, 0.01)

    # --- one step

    def collate(self, numbers: list[int]) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        length = max(len(self.samples.ids[i]) for i in numbers)
        ids = torch.ones(len(numbers), length, dtype=torch.long)
        patterns = torch.zeros(len(numbers), length, dtype=torch.long)
        for row, i in enumerate(numbers):
            n = len(self.samples.ids[i])
            ids[row, :n] = torch.from_numpy(self.samples.ids[i])
            patterns[row, :n] = torch.from_numpy(self.samples.patterns[i])
        mask = ids != 1
        if self.settings.unknown:
            hidden = (torch.rand(ids.shape) < self.settings.unknown) & (patterns != 0)
            ids = ids.masked_fill(hidden & (ids != self.line_break_id), UNKNOWN)
        return ids, None if mask.all() else mask, patterns

    def objective(self, logits: torch.Tensor, patterns: torch.Tensor) -> torch.Tensor:
        """Negative log of the probability of the permitted classes, over tokens about which
        anything is known."""
        known = patterns != 0
        rows = patterns[known]
        scores = logits[known].float()
        permitted = scores.masked_fill(~self.table[rows], float("-inf")).logsumexp(-1)
        loss = scores.logsumexp(-1) - permitted
        weight = 1 + (self.settings.entity_weight - 1) * self.certain_entity[rows].float()
        return (loss * weight).sum() / weight.sum()

    def train_step(self, numbers: list[int]) -> float:
        ids, mask, patterns = self.collate(numbers)
        s = self.settings
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16):
            words = self.model.embed(ids)
            if s.fgm and not words.requires_grad:
                words.requires_grad_()
            if s.fgm:
                words.retain_grad()
            logits = self.model.classify(words, mask, self.dropout)
        loss = self.objective(logits, patterns)
        loss.backward()
        if s.fgm:
            gradient = words.grad
            shift = s.fgm * gradient / (gradient.norm(dim=-1, keepdim=True) + 1e-12)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16):
                logits = self.model.classify(self.model.embed(ids) + shift, mask, self.dropout)
            self.objective(logits, patterns).backward()
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], 1.0)
        self.optimiser.step()
        self.step += 1
        self.averaged.update(self.step)
        self.tokens += sum(len(self.samples.ids[i]) for i in numbers)
        return loss.item()

    # --- the run

    def batches(self) -> Iterator[list[int]]:
        lengths = [len(ids) for ids in self.samples.ids]
        while True:
            order = batches(lengths, self.settings.batch_tokens, self.settings.seed, self.epoch)
            while self.batch < len(order):
                numbers = order[self.batch]
                self.batch += 1
                yield numbers
            self.epoch, self.batch = self.epoch + 1, 0

    def run(self) -> None:
        if self.settings.resume and (self.folder / "checkpoint.pt").exists():
            self.restore()
        self.note(event="start", revision=self.revision, samples=len(self.samples.ids), tokens_per_epoch=self.samples.tokens, **self.data_card)
        self.model.train()
        wall, cpu = time.monotonic(), time.process_time()
        since = last_note = self.elapsed
        note_tokens = self.tokens
        note_cpu = self.cpu
        for numbers in self.batches():
            progress = self.progress()
            if progress >= 1:
                break
            self.set_rate(progress)
            self.loss = 0.98 * self.loss + 0.02 * self.train_step(numbers)
            now, used = time.monotonic(), time.process_time()
            # A run that is paused (SIGSTOP, a laptop asleep) does not use up its budget.
            self.elapsed += min(now - wall, 60)
            self.cpu += used - cpu
            wall, cpu = now, used
            if self.elapsed - last_note >= 20:
                done = self.tokens - note_tokens
                self.note(
                    event="step",
                    loss=round(self.loss / (1 - 0.98**self.step), 4),
                    progress=round(progress, 4),
                    tokens_per_second=round(done / (self.elapsed - last_note)),
                    tokens_per_cpu_second=round(done / (self.cpu - note_cpu)),
                )
                last_note, note_tokens, note_cpu = self.elapsed, self.tokens, self.cpu
            if self.elapsed - since >= 60 * self.settings.checkpoint_minutes:
                since = self.elapsed
                self.checkpoint()
                self.evaluate(self.settings.dev_notes)
                wall, cpu = time.monotonic(), time.process_time()
        self.checkpoint()
        encoder.save(self.model, self.averaged.state(self.model), self.folder / "model.pt")
        self.evaluate(None)
        self.write_card()

    def checkpoint(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "averaged": self.averaged.values,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "position": [self.epoch, self.batch, self.step, self.tokens],
            "clock": [self.elapsed, self.cpu, self.loss],
        }
        partial = self.folder / "checkpoint.part"
        torch.save(state, partial)
        partial.replace(self.folder / "checkpoint.pt")

    def restore(self) -> None:
        state = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        for name, value in state["averaged"].items():
            self.averaged.values[name].copy_(value)
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self.epoch, self.batch, self.step, self.tokens = state["position"]
        self.elapsed, self.cpu, self.loss = state["clock"]

    def evaluate(self, limit: int | None) -> None:
        """Scores of the averaged weights on held-out data, into the log."""
        live = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.averaged.state(self.model))
        self.model.eval()
        tagger = TextTagger(torch_logits(self.model), self.tokenizer)
        scores = {}
        for path in self.settings.dev:
            notes = load_notes(path)[:limit]
            report: Report = score(notes, [tagger.tag(note["text"]) for note in notes], rounds=0)
            scores[path.parent.name + "/" + path.name] = report.brief()
        if self.settings.public > 0:
            scores["public held out"] = person_f1(self.held_out[: 5 * limit if limit else 700], tagger)
        self.scores = scores
        self.note(event="scores", **scores)
        self.model.load_state_dict(live)
        self.model.train()

    def note(self, **entry: object) -> None:
        entry = {"minutes": round(self.elapsed / 60, 2), "step": self.step, "epoch": self.epoch, "tokens": self.tokens} | entry
        line = json.dumps(entry, ensure_ascii=False)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    def write_card(self) -> None:
        settings = {k: [str(p) for p in v] if isinstance(v, list) else v for k, v in vars(self.settings).items()}
        write_json(
            self.folder / "card.json",
            {
                "run": self.settings.name,
                "settings": {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()},
                "revision": self.revision,
                "base": json.loads((base_dir() / "card.json").read_text()),
                "data": self.data_card,
                "samples": len(self.samples.ids),
                "tokens_per_epoch": self.samples.tokens,
                "tokenizer": sha256(self.folder / "tokenizer_ner.json"),
                "trained": {
                    "steps": self.step,
                    "tokens": self.tokens,
                    "epochs": round(self.tokens / self.samples.tokens, 2),
                    "wall_minutes": round(self.elapsed / 60, 1),
                    "cpu_minutes": round(self.cpu / 60, 1),
                    "tokens_per_cpu_second": round(self.tokens / max(self.cpu, 1)),
                    "final_loss": round(self.loss, 4),
                },
                "machine": {"bfloat16": self.bfloat16, "threads": self.settings.threads, "torch": torch.__version__},
                "model": sha256(self.folder / "model.pt"),
                "scores": self.scores,
            },
        )


def person_f1(rows: list[dict], tagger: TextTagger) -> dict:
    """Exact-match F1 of PERSON on public text, where the other labels are open."""
    hit = said = true = 0
    for row in rows:
        gold = {(s["start"], s["end"]) for s in row["spans"] if s["label"] == "PERSON"}
        found = {(e["start"], e["end"]) for e in tagger.tag(row["text"]) if e["label"] == "PERSON"}
        open_zones = [s for s in row["spans"] if s["label"] == "ANY"]
        found = {(a, b) for a, b in found if not any(s["start"] < b and a < s["end"] for s in open_zones)}
        hit, said, true = hit + len(gold & found), said + len(found), true + len(gold)
    precision, recall = hit / max(said, 1), hit / max(true, 1)
    f1 = 2 * hit / max(said + true, 1)
    return {"person_precision": round(precision, 4), "person_recall": round(recall, 4), "person_f1": round(f1, 4), "n": true}


def main() -> None:
    settings = arguments()
    settle(settings.threads, settings.seed)
    Trainer(settings).run()


if __name__ == "__main__":
    main()
