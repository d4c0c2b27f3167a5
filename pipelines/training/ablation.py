"""What each source of masking is worth: rules, dictionary and NER model alone, together, with a register.

    cargo build --release -p masking --example mask
    python ablation.py --program ../../target/release/examples/mask --set masking-dev=notes.jsonl … [--out TABLE.md]

The register of a note is made from its own gold spans: the first two persons named in full, the first address and
telephone number, as an office would have entered client and relative. Japanese Markdown; totals only. No torch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

from evaluate import Report, load_notes, named_path, score

RUNS = {
    "規則": {"MASK_SOURCES": "rule", "MASK_WITHOUT_MODEL": "1"},
    "辞書": {"MASK_SOURCES": "dictionary", "MASK_WITHOUT_MODEL": "1"},
    "規則＋辞書": {"MASK_WITHOUT_MODEL": "1"},
    "モデル": {"MASK_SOURCES": "model"},
    "モデル＋規則": {"MASK_SOURCES": "model,rule"},
    "すべて": {},
}
FULL_NAME = 3
"""Letters a full name has at least."""


def register_of(note: dict) -> dict:
    """As pipelines/masking reads it (masking::Register)."""
    gold = [span for span in note["spans"] if not span["optional"]]

    def first(label: str, count: int, least: int = 1) -> list[str]:
        values = [s["text"] for s in gold if s["label"] == label and len(s["text"]) >= least and s.get("subtype") in (None, "full")]
        return list(dict.fromkeys(values))[:count]

    persons = [{"id": f"p{n}", "names": [name]} for n, name in enumerate(first("PERSON", 2, FULL_NAME), 1)]
    if persons:
        persons[0] |= {"addresses": first("ADDRESS", 1, 4), "phones": first("PHONE", 1)}
    return {"persons": persons}


def predictions(program: Path, notes: list[dict], environment: dict[str, str], register: bool) -> list[list[dict]]:
    lines = (
        json.dumps({"id": n["id"], "text": n["text"]} | ({"register": register_of(n)} if register else {}), ensure_ascii=False)
        for n in notes
    )
    if register:
        environment = environment | {"MASK_OWN_REGISTERS": "1"}
    done = subprocess.run([program], input="\n".join(lines), env=os.environ | environment, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if [row["id"] for row in rows] != [note["id"] for note in notes]:
        raise SystemExit(f"{program}: other notes than were given")
    return [row["spans"] for row in rows]


def cell(report: Report, key: str) -> str:
    rate = report.rates[key]
    return f"{100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--set", type=named_path, action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    out = []
    for name, path in arguments.set:
        notes = load_notes(path)
        out += [f"{name}（{len(notes)} 件、%）", "", "| 出どころ | 氏名・住所の見え残り | 余計に伏せた文字 | 機関の見え残り | 何も見えないノート |", "|---|---|---|---|---|"]
        runs = [(title, environment, False) for title, environment in RUNS.items()]
        runs += [("規則＋辞書＋登録情報", RUNS["規則＋辞書"], True), ("すべて＋登録情報", {}, True)]
        for title, environment, register in runs:
            report = score(notes, predictions(arguments.program, notes, environment, register))
            visible = report.rates["notes with something visible"]
            clean = f"{visible.of - visible.hits}/{visible.of}"
            out.append(f"| {title} | {cell(report, 'PERSON+ADDRESS')} | {cell(report, 'over-masking')} | {cell(report, 'FACILITY')} | {clean} |")
        out.append("")
    table = "\n".join(out)
    print(table)
    if arguments.out:
        arguments.out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
