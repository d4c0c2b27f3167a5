"""Noise that keeps spans: every character carries the index of its span (-1 outside), so edits cannot misplace one."""

import random

CONFUSABLE = {
    "ー": "一", "ロ": "口", "カ": "力", "タ": "夕", "エ": "工", "ニ": "二", "ハ": "八", "0": "O", "1": "l", "5": "S", "8": "B", "末": "未", "日": "曰", "間": "問", "住": "往", "治": "冶",
    "大": "犬", "太": "大", "千": "干", "土": "士", "へ": "ヘ", "べ": "ベ", "り": "リ", "氏": "民", "連": "運", "待": "侍", "話": "語", "電": "雷", "理": "埋", "員": "負", "病": "痛", "田": "由",
    "石": "右", "木": "本", "市": "巾", "ン": "ソ", "シ": "ツ", "ぱ": "ば", "。": ".", "、": ",", "o": "0", "っ": "つ", "ょ": "よ", "入": "人", "-": "一", "内": "肉", "高": "髙",
}
FILLERS = ["えーと", "あの", "えっと", "まあ", "あのー", "その", "なんか", "ええ", "うーんと", "はい"]


class Buffer:
    """Parallel lists of characters and owners."""

    def __init__(self, pieces):
        self.chars: list[str] = []
        self.owner: list[int] = []
        self.spans = []
        self.traps: list[int] = []
        for piece in pieces:
            index = -1
            if piece.label:
                index = len(self.spans)
                self.spans.append((piece.label, piece.form))
            elif piece.trap:
                index = -2
            self.chars.extend(piece.text)
            self.owner.extend([index] * len(piece.text))

    def rebuild(self, edit):
        """edit(i, char, owner) returns a list of (char, owner)."""
        chars, owner = [], []
        for i, (c, o) in enumerate(zip(self.chars, self.owner)):
            for c2, o2 in edit(i, c, o):
                chars.append(c2)
                owner.append(o2)
        self.chars, self.owner = chars, owner

    def inside(self, i: int) -> int:
        """The span a character inserted after position i belongs to, or -1 between spans."""
        if i + 1 < len(self.owner) and self.owner[i] >= 0 and self.owner[i] == self.owner[i + 1]:
            return self.owner[i]
        return -1

    def result(self) -> tuple[str, list[dict], list[tuple[int, int]]]:
        # strip blank edges of the document and of every span
        text = "".join(self.chars)
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        traps, start = [], None
        for i, o in enumerate(self.owner + [-1]):
            if o >= 0:
                first.setdefault(o, i)
                last[o] = i + 1
            if o == -2 and start is None:
                start = i
            elif o != -2 and start is not None:
                traps.append((start, i))
                start = None
        spans = []
        for index, (label, form) in enumerate(self.spans):
            if index not in first:
                continue
            a, b = first[index], last[index]
            while a < b and text[a].isspace():
                a += 1
            while b > a and text[b - 1].isspace():
                b -= 1
            if a < b:
                spans.append({"start": a, "end": b, "label": label, "form": form})
        return text, spans, traps


def ocr(rng: random.Random, buffer: Buffer) -> None:
    """FAX and OCR: confusable characters, stray blanks, lines broken at a column, dropped marks."""
    rate = rng.choice([0.0, 0.006, 0.012, 0.03])
    blanks = rng.choice([0.0, 0.004, 0.012, 0.03])
    wrap = rng.choice([0, 0, 18, 24, 30, 36, 40])
    column = 0
    def edit(i, c, o):
        nonlocal column
        out = [(c, o)]
        if c == "\n":
            column = 0
            return out
        if c in CONFUSABLE and rng.random() < rate * 4:
            out = [(x, o) for x in CONFUSABLE[c]]
        elif c in "、。・" and rng.random() < rate * 2:
            out = []
        column += 1
        if blanks and rng.random() < blanks:
            out.append((rng.choice("  　"), buffer.inside(i)))
        if wrap and column >= wrap + (rng.random() < 0.1):
            out.append(("\n", buffer.inside(i)))
            column = 0
        return out
    buffer.rebuild(edit)


def wrap(rng: random.Random, buffer: Buffer) -> None:
    """Mail and print-outs broken at a fixed width."""
    width, column = rng.choice([20, 25, 30, 34, 38]), 0
    def edit(i, c, o):
        nonlocal column
        column = 0 if c == "\n" else column + 1
        if column >= width:
            column = 0
            return [(c, o), ("\n", buffer.inside(i))]
        return [(c, o)]
    buffer.rebuild(edit)


def speech(rng: random.Random, buffer: Buffer) -> None:
    """Speech recognition: marks dropped or turned into blanks, fillers between words."""
    keep = rng.random() < 0.3
    blank = rng.random() < 0.5
    filler = rng.choice([0.05, 0.15, 0.3])
    def edit(i, c, o):
        if c in "。、？！?「」（）" and o < 0:
            out = [(c, -1)] if keep and c in "。、？" else [(" ", -1)] if blank and c in "。？！" else []
            if c in "。、" and rng.random() < filler:
                out += [(x, -1) for x in rng.choice(FILLERS)]
            return out
        return [(c, o)]
    buffer.rebuild(edit)


def half_kana(rng: random.Random, buffer: Buffer) -> None:
    """Old host systems print katakana half-width throughout."""
    from .people import HALF
    buffer.rebuild(lambda i, c, o: [(x, o) for x in HALF[c]] if c in HALF and "ァ" <= c <= "ー" else [(c, o)])


def ascii_marks(rng: random.Random, buffer: Buffer) -> None:
    """Comma and full stop instead of Japanese marks, as some offices write."""
    table = rng.choice([{"、": "，", "。": "．"}, {"、": "，"}, {"（": "(", "）": ")"}, {"：": ":"}, {"（": "(", "）": ")", "：": ":"}])
    buffer.rebuild(lambda i, c, o: [(table.get(c, c), o)])
