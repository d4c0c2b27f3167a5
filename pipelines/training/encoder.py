"""The networks in torch: the base encoder's layers with a linear head for tokens, or with a mean for
sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from base import FEED_FORWARD, HEADS, HIDDEN, LAYERS
from labels import CLASSES

EPSILON = 1e-12


class Dropout:
    """Dropout from a pool of random masks: on a processor, drawing a fresh number for every value
    takes as long as a tenth of the forward pass. Each use reads the pool from another place."""

    SIZE = 1 << 22

    def __init__(self, rate: float, seed: int) -> None:
        self.rate = rate
        self._generator = np.random.default_rng(seed)
        self._uses = 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self.rate == 0:
            return x
        if self._uses % 4096 == 0:
            kept = self._generator.random(self.SIZE, np.float32) >= self.rate
            self._pool = torch.from_numpy(kept.astype(np.float32) / (1 - self.rate))
        self._uses += 1
        count = x.numel()
        if count > self.SIZE:
            return F.dropout(x, self.rate)
        at = int(self._generator.integers(self.SIZE - count + 1))
        return x * self._pool[at : at + count].view(x.shape).to(x.dtype)


def keep(x: torch.Tensor) -> torch.Tensor:
    """No dropout."""
    return x


Drop = Callable[[torch.Tensor], torch.Tensor]


class Layer(nn.Module):
    """Post-norm transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.output = nn.Linear(HIDDEN, HIDDEN)
        self.attention_norm = nn.LayerNorm(HIDDEN, eps=EPSILON)
        self.up = nn.Linear(HIDDEN, FEED_FORWARD)
        self.down = nn.Linear(FEED_FORWARD, HIDDEN)
        self.output_norm = nn.LayerNorm(HIDDEN, eps=EPSILON)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None, dropout: Drop) -> torch.Tensor:
        batch, length, _ = x.shape
        qkv = self.qkv(x).view(batch, length, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        context = F.scaled_dot_product_attention(*qkv, attn_mask=mask)
        attended = self.output(context.transpose(1, 2).reshape(batch, length, HIDDEN))
        x = self.attention_norm(x + dropout(attended))
        fed = self.down(F.gelu(self.up(x)))
        return self.output_norm(x + dropout(fed))


class Trunk(nn.Module):
    """What both networks share: word vectors, positions, layers."""

    def __init__(self, vocabulary: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.words = nn.Embedding(vocabulary, HIDDEN)
        self.positions = nn.Parameter(torch.zeros(512, HIDDEN))
        self.norm = nn.LayerNorm(HIDDEN, eps=EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(depth))

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Word vectors, batch × tokens × hidden."""
        return self.words(ids)

    def encode(self, words: torch.Tensor, mask: torch.Tensor | None, dropout: Drop = keep) -> torch.Tensor:
        """Hidden states from word vectors; `mask` is true where there is a token."""
        x = dropout(self.norm(words + self.positions[: words.shape[1]]))
        attend = None if mask is None else mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, attend, dropout)
        return x


class Sentences(Trunk):
    """Unit vectors of texts: the mean of all tokens, <s> and </s> among them."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, dropout: Drop = keep) -> torch.Tensor:
        x = self.encode(self.embed(ids), mask, dropout).float()
        weight = mask[..., None].float()
        return F.normalize((x * weight).sum(1) / weight.sum(1), dim=-1)


class Tagger(Trunk):
    """`words` are frozen by default; `line_break` is the one row of them that is always learnt,
    since no pretraining has seen it."""

    def __init__(self, vocabulary: int, depth: int, line_break_id: int, classes: int = len(CLASSES)) -> None:
        super().__init__(vocabulary, depth)
        self.line_break_id = line_break_id
        self.line_break = nn.Parameter(torch.zeros(HIDDEN))
        self.head = nn.Linear(HIDDEN, classes)

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Word vectors, batch × tokens × hidden."""
        x = self.words(ids)
        return torch.where((ids == self.line_break_id)[..., None], self.line_break, x)

    def classify(self, words: torch.Tensor, mask: torch.Tensor | None, dropout: Drop = keep) -> torch.Tensor:
        """Logits from word vectors; `mask` is true where there is a token."""
        return self.head(dropout(self.encode(words, mask, dropout)))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None, dropout: Drop = keep) -> torch.Tensor:
        return self.classify(self.embed(ids), mask, dropout)

    def word_table(self) -> np.ndarray:
        """The embedding table with the learnt line break in its row."""
        table = self.words.weight.detach().numpy().copy()
        table[self.line_break_id] = self.line_break.detach().numpy()
        return table


def sentences_from_base(path: Path) -> Sentences:
    """All layers of base/encoder.npz."""
    weights = {name: torch.from_numpy(value.copy()) for name, value in np.load(path).items()}
    model = Sentences(weights["words.weight"].shape[0], LAYERS)
    model.load_state_dict(weights)
    return model


def from_base(path: Path, depth: int, line_break_id: int) -> Tagger:
    """The first `depth` layers of base/encoder.npz with a fresh head."""
    weights = {name: torch.from_numpy(value.copy()) for name, value in np.load(path).items()}
    model = Tagger(weights["words.weight"].shape[0], depth, line_break_id)
    weights["line_break"] = weights["words.weight"][line_break_id].clone()
    wanted = model.state_dict()
    state = {name: value for name, value in weights.items() if name in wanted}
    nn.init.normal_(model.head.weight, std=0.02)
    nn.init.zeros_(model.head.bias)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) == {"head.weight", "head.bias"} and not unexpected, (missing, unexpected)
    return model


def load(path: Path) -> Tagger:
    """A model saved by train_ner.py."""
    data = torch.load(path, map_location="cpu", weights_only=True)
    model = Tagger(data["vocabulary"], data["depth"], data["line_break_id"])
    model.load_state_dict(data["model"])
    return model.eval()


def save(model: Tagger, state: dict[str, torch.Tensor], path: Path) -> None:
    data = {
        "model": state,
        "depth": model.depth,
        "vocabulary": model.words.num_embeddings,
        "line_break_id": model.line_break_id,
    }
    partial = path.with_suffix(".part")
    torch.save(data, partial)
    partial.replace(path)
