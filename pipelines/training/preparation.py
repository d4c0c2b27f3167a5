"""Text as the runtime hands it to the tokenizer: the same steps as models/src/normalise.rs and the
same windows as models/src/ner.rs, so that the model is trained on what it will see.

All offsets are Unicode code points of the original text, end exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

WINDOW = 280
CONTEXT = 60

_HALF_WIDTH = (
    "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン"
)
_VOICED = dict(zip("ウカキクケコサシスセソタチツテトハヒフヘホ", "ヴガギグゲゴザジズゼゾダヂヅデドバビブベボ", strict=True))
_SEMI_VOICED = dict(zip("ハヒフヘホ", "パピプペポ", strict=True))
_MARKS = {"\uff9e": _VOICED, "゛": _VOICED, "\u3099": _VOICED}
_MARKS |= {"\uff9f": _SEMI_VOICED, "゜": _SEMI_VOICED, "\u309a": _SEMI_VOICED}


@cache
def variants() -> dict[str, str]:
    """髙 → 高 …, from the table the runtime compiles in."""
    table = {}
    text = (REPOSITORY / "datasets/lexicon/kanji-variants.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        variant, tab, common = line.partition("\t")
        if tab and not line.startswith("#"):
            table[variant[0]] = common[0]
    return table


@dataclass(frozen=True)
class Prepared:
    text: str
    origin: list[tuple[int, int]]
    """For each code point of `text`: first and one-past-last code point in the original."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The original stretch of `start..end` of `text` (not empty)."""
        return self.origin[start][0], self.origin[end - 1][1]


def prepare(text: str) -> Prepared:
    """Composes half-width katakana, folds variant kanji and the full-width tilde; line breaks stay
    (the NER tokenizer has a piece for them)."""
    table = variants()
    out, origin = [], []
    at = 0
    while at < len(text):
        c, length = text[at], 1
        if 0xFF61 <= ord(c) < 0xFF61 + len(_HALF_WIDTH):
            c = _HALF_WIDTH[ord(c) - 0xFF61]
            mark = _MARKS.get(text[at + 1 : at + 2])
            if mark and c in mark:
                c, length = mark[c], 2
        if c in "～〜":
            c = "~"
        elif c in "\r\t\u3000":
            c = " "
        out.append(table.get(c, c))
        origin.append((at, at + length))
        at += length
    return Prepared("".join(out), origin)


@dataclass(frozen=True)
class Window:
    """`first..last` is read; entities that start in `start..end` are kept."""

    first: int
    start: int
    end: int
    last: int


def windows(text: str, window: int = WINDOW, context: int = CONTEXT) -> list[Window]:
    """Cuts at line ends, else sentence ends, else commas, else anywhere."""
    out, start = [], 0
    while start < len(text):
        if len(text) - start <= window:
            end = len(text)
        else:
            limit = start + window
            end = next(
                (
                    at + 1
                    for marks in ("\n", "。！？!?｡", "、, 　､")
                    for at in range(limit - 1, start + window // 2 - 1, -1)
                    if text[at] in marks
                ),
                limit,
            )
        out.append(Window(_context_start(text, start, context), start, end, _context_end(text, end, context)))
        start = end
    return out


_ENDS = "。\n！？"


def _context_start(text: str, at: int, context: int) -> int:
    low = max(at - context, 0)
    if low == 0:
        return 0
    return next((i for i in range(low, at) if text[i - 1] in _ENDS), low)


def _context_end(text: str, at: int, context: int) -> int:
    high = min(at + context, len(text))
    if high == len(text):
        return high
    return next((i for i in range(high - 1, at, -1) if text[i - 1] in _ENDS), high)
