"""A model alone on whole texts, as the runtime does it (models/src/ner.rs): windows, one inference
each at batch size 1, constrained Viterbi."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from alignment import tokenise
from labels import Grammar, log_softmax
from preparation import Window, windows

MAX_TOKENS = 512

Logits = Callable[[list[int]], np.ndarray]
"""Token ids with <s> and </s> → logits, tokens × classes."""


def onnx_logits(path: Path, threads: int = 1) -> Logits:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(ids: list[int]) -> np.ndarray:
        array = np.array([ids], np.int64)
        feed = {"input_ids": array, "attention_mask": np.ones_like(array)}
        return session.run(["logits"], feed)[0][0]

    return run


def torch_logits(model) -> Logits:
    import torch

    def run(ids: list[int]) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.tensor([ids]))[0].float().numpy()

    return run


class TextTagger:
    def __init__(self, logits: Logits, tokenizer: Tokenizer, outside_bias: float = 0.0) -> None:
        self.logits = logits
        self.tokenizer = tokenizer
        self.outside_bias = outside_bias
        self.grammar = Grammar()

    def tag(self, text: str) -> list[dict]:
        """[{start, end, label, score}], sorted, without overlap."""
        found: list[dict] = []
        for window in windows(text):
            self._tag_window(text, window, found)
        found.sort(key=lambda e: (e["start"], e["end"]))
        out: list[dict] = []
        for entity in found:
            if not out or entity["start"] >= out[-1]["end"]:
                out.append(entity)
        return out

    def _tag_window(self, text: str, window: Window, found: list[dict]) -> None:
        part = text[window.first : window.last]
        if not part.strip():
            return
        tokens = tokenise(part, self.tokenizer)
        if len(tokens.ids) > MAX_TOKENS:
            middle = window.start + (window.end - window.start) // 2
            if middle == window.start:
                return
            self._tag_window(
                text, Window(window.first, window.start, middle, min(middle + 20, window.last)), found
            )
            self._tag_window(text, Window(max(middle - 20, window.first), middle, window.end, window.last), found)
            return
        scores = log_softmax(self.logits(tokens.ids)[1:-1], self.outside_bias)
        path = self.grammar.decode(scores)
        for first, last, label in self.grammar.entities(path):
            probability = float(np.exp([scores[t][path[t]] for t in range(first, last + 1)]).mean())
            start = window.first + tokens.offsets[first][0]
            end = window.first + tokens.offsets[last][1]
            while start < end and text[start].isspace():
                start += 1
            while end > start and text[end - 1].isspace():
                end -= 1
            if start < end and window.start <= start < window.end:
                found.append({"start": start, "end": end, "label": label, "score": probability})
