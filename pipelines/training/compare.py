"""Several masking programs on the same notes, as Japanese Markdown tables.

    python compare.py --system musubi=DIR --system ginza=DIR … \
        --set masking-dev=notes.jsonl --set notes-b=notes-b.jsonl … --out TABLE.md --json FILE

DIR/SET.jsonl holds a program's predictions {"id", "spans": [{"start", "end", "label"}]} for that set;
a program without the file has no row there. Rates and intervals are evaluate.py's; every program is
scored on the same draws of notes. Only totals are written, never a word of a note. No torch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from evaluate import ROUNDS, Rate, Report, load_notes, named_path, score
from labels import LABELS
from storage import read_jsonl, write_json

LABEL_NAMES = {
    "PERSON": "氏名",
    "ADDRESS": "住所・場所",
    "FACILITY": "機関",
    "PHONE": "電話番号",
    "EMAIL": "メールアドレス",
    "POSTAL_CODE": "郵便番号",
    "BIRTHDATE": "生年月日",
    "ID_NUMBER": "証・事件などの番号",
    "ACCOUNT": "口座番号",
    "OTHER_ID": "その他の ID",
}

FORM_PREFIX = "form: PERSON "
# By the letters and by what follows (score.py), then by the kind the set itself names (`/ …`).
FORM_NAMES = {
    "kanji": "文字: 漢字",
    "one-char": "文字: 一字",
    "hiragana": "文字: ひらがな",
    "katakana": "文字: カタカナ",
    "halfwidth-kana": "文字: 半角カナ",
    "latin": "文字: ローマ字",
    "mixed": "文字: 交じり",
    "+honorific/role": "後ろ: 敬称・役職あり",
    "bare": "後ろ: 敬称・役職なし",
    "/ full": "種類: 姓名",
    "/ sur": "種類: 姓のみ",
    "/ given": "種類: 名のみ",
    "/ one": "種類: 一字",
    "/ hira": "種類: ひらがな",
    "/ kata": "種類: カタカナ",
    "/ foreign": "種類: 外国の名",
    "/ latin": "種類: ローマ字",
    "/ nick": "種類: 愛称",
}


class Mismatch(Exception):
    """Predictions that do not belong to the notes."""


def load_set(path: Path) -> list[dict]:
    """As evaluate.py loads them; a name's subtype counts as its form."""
    notes = load_notes(path)
    for note in notes:
        for span in note["spans"]:
            if span["label"] == "PERSON" and span.get("subtype"):
                span.setdefault("form", span["subtype"])
    return notes


def predictions_for(notes: list[dict], rows: Iterable[dict]) -> list[list[dict]]:
    """In the order of the notes. A note left out would count as leaking, so it is refused."""
    spans = {row["id"]: row["spans"] for row in rows}
    missing = [note["id"] for note in notes if note["id"] not in spans]
    if missing or len(spans) > len(notes):
        raise Mismatch(f"{len(missing)} of {len(notes)} notes without prediction, {len(spans)} predicted")
    return [spans[note["id"]] for note in notes]


def rates(report: Report) -> dict[str, Rate]:
    """The report's, with all labels together and the notes in which nothing is visible."""
    found = [report.rates[label] for label in LABELS if label in report.rates]
    visible = report.rates["notes with something visible"]
    return report.rates | {
        "all": Rate(sum(rate.hits for rate in found), sum(rate.of for rate in found)),
        "clean notes": Rate(visible.of - visible.hits, visible.of),
    }


def percent(rate: Rate | None, interval: bool = False) -> str:
    if rate is None or not rate.of:
        return "–"
    text = f"{100 * rate.value:.1f} %"
    return f"{text} {bounds(rate)}" if interval and rate.low is not None else text


def bounds(rate: Rate) -> str:
    return "–" if rate.low is None else f"[{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    line = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731
    return "\n".join([line(head), line(["---"] + ["---:"] * (len(head) - 1)), *map(line, rows)]) + "\n"


def systems_table(systems: Mapping[str, Mapping[str, Rate]]) -> str:
    head = ["", "氏名・住所の見え残り", "余計に伏せた文字", "機関", "番号類", "全項目", "何も見えないノート"]
    rows = []
    for name, found in systems.items():
        clean = found["clean notes"]
        rows.append([
            name,
            *(percent(found.get(key), interval=True) for key in ("PERSON+ADDRESS", "over-masking")),
            *(percent(found.get(key)) for key in ("FACILITY", "numbers", "all")),
            f"{clean.hits}/{clean.of}",
        ])
    return markdown(head, rows)


def labels_table(found: Mapping[str, Rate]) -> str:
    rows = [
        [LABEL_NAMES[label], str(found[label].of), percent(found[label]), bounds(found[label])]
        for label in LABELS
        if label in found
    ]
    return markdown(["項目", "件数", "見え残り", "95 % 区間"], rows)


def forms_table(systems: Mapping[str, Mapping[str, Rate]]) -> str:
    """Empty where no name is in the set."""
    sizes = {
        key.removeprefix(FORM_PREFIX): rate.of
        for found in systems.values()
        for key, rate in found.items()
        if key.startswith(FORM_PREFIX)
    }
    known = list(FORM_NAMES)
    order = sorted(sizes, key=lambda form: (known.index(form), "") if form in known else (len(known), form))
    rows = [
        [
            FORM_NAMES.get(form, form),
            str(sizes[form]),
            *(percent(found.get(FORM_PREFIX + form)) for found in systems.values()),
        ]
        for form in order
    ]
    return markdown(["氏名の形", "件数", *systems], rows) if rows else ""


def document(results: Mapping[str, Mapping[str, Mapping[str, Rate]]], first: str) -> str:
    """`results`: set → system → rate; `first`: whose labels are shown."""
    parts = [
        "# マスキングの比較\n",
        "見え残り: その項目の文字・数字が一つでも見えたまま残った割合。"
        "余計に伏せた文字: 伏せる必要のない文字のうち伏せた割合。"
        "番号類: 電話・メール・郵便番号・各種の証や事件の番号・口座・生年月日。"
        "[ ] は 95 % 区間（ノート単位のブートストラップ）。\n",
    ]
    for name, systems in results.items():
        entities = max(found["all"].of for found in systems.values())
        notes = max(found["clean notes"].of for found in systems.values())
        parts += [f"## {name}（ノート {notes} 件、伏せる項目 {entities} 件）\n", systems_table(systems)]
        if first in systems:
            parts += [f"### {first} の項目別\n", labels_table(systems[first])]
        if forms := forms_table(systems):
            parts += ["### 氏名の形ごとの見え残り\n", forms]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", type=named_path, action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--set", type=named_path, action="append", required=True, metavar="NAME=GOLD.jsonl")
    parser.add_argument("--out", type=Path, required=True, metavar="TABLE.md")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the bootstrap")
    arguments = parser.parse_args()
    results: dict[str, dict[str, dict[str, Rate]]] = {}
    for set_name, gold in arguments.set:
        notes = load_set(gold)
        for system, folder in arguments.system:
            path = folder / f"{set_name}.jsonl"
            if not path.is_file():
                print(f"{set_name}: no predictions of {system} ({path})", file=sys.stderr)
                continue
            try:
                predictions = predictions_for(notes, read_jsonl(path))
            except Mismatch as error:
                raise SystemExit(f"{path}: {error}") from error
            results.setdefault(set_name, {})[system] = rates(score(notes, predictions, arguments.rounds))
    if not results:
        raise SystemExit("no predictions of any system")
    arguments.out.write_text(document(results, arguments.system[0][0]), encoding="utf-8")
    if arguments.json:
        write_json(
            arguments.json,
            {
                set_name: {name: {key: rate.as_json() for key, rate in found.items()} for name, found in systems.items()}
                for set_name, systems in results.items()
            },
        )


if __name__ == "__main__":
    main()
