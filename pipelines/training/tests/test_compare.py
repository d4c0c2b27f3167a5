import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from compare import Mismatch, document, forms_table, load_set, predictions_for, rates, systems_table
from evaluate import score
from storage import HERE

TEXT = "甲野さんと乙川花子、ﾍｲﾀ、電話03-0000-0000。"
SPANS = [
    {"start": 0, "end": 2, "label": "PERSON", "subtype": "sur"},
    {"start": 5, "end": 9, "label": "PERSON", "subtype": "full"},
    {"start": 10, "end": 13, "label": "PERSON", "subtype": "kata"},
    {"start": 16, "end": 28, "label": "PHONE"},
]


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


class Tables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.gold = write(self.folder / "gold.jsonl", [{"id": str(i), "text": TEXT, "spans": SPANS} for i in range(4)])
        self.notes = load_set(self.gold)
        self.all = [SPANS] * 4
        # Half a surname is visible in one note; in every note the telephone number is.
        cut = [{"start": 0, "end": 1, "label": "PERSON"}, *SPANS[1:3]]
        self.some = [cut, *[SPANS[:3]] * 3]

    def rates(self, predictions: list[list[dict]], rounds: int = 50):
        return rates(score(self.notes, predictions, rounds))

    def test_a_leak_is_seen_with_its_interval(self):
        found = self.rates(self.some)
        row = systems_table({"甲": found}).splitlines()[2]
        low, high = found["PERSON+ADDRESS"].low, found["PERSON+ADDRESS"].high
        self.assertLess(low, high)
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        self.assertEqual(cells[0], "甲")
        self.assertEqual(cells[1], f"8.3 % [{100 * low:.1f}, {100 * high:.1f}]")
        self.assertEqual(cells[2], "0.0 % [0.0, 0.0]")
        # No facility in the set; all numbers leak; 5 of 16; nothing is clean.
        self.assertEqual(cells[3:], ["–", "100.0 %", "31.2 %", "0/4"])

    def test_nothing_leaks_and_too_much_is_masked(self):
        wide = [[*SPANS, {"start": 2, "end": 5, "label": "PERSON"}]] * 4
        cells = systems_table({"乙": self.rates(wide)}).splitlines()[2]
        self.assertIn("| 0.0 % [0.0, 0.0] | 60.0 % [60.0, 60.0] |", cells)
        self.assertIn("| 4/4 |", cells)

    def test_forms_stand_side_by_side(self):
        lines = forms_table({"甲": self.rates(self.some), "乙": self.rates(self.all)}).splitlines()
        self.assertEqual(lines[0], "| 氏名の形 | 件数 | 甲 | 乙 |")
        self.assertIn("| 文字: 漢字 | 8 | 12.5 % | 0.0 % |", lines)
        self.assertIn("| 文字: 半角カナ | 4 | 0.0 % | 0.0 % |", lines)
        self.assertIn("| 後ろ: 敬称・役職あり | 4 | 25.0 % | 0.0 % |", lines)
        self.assertIn("| 種類: 姓のみ | 4 | 25.0 % | 0.0 % |", lines)
        self.assertLess(lines.index("| 文字: 漢字 | 8 | 12.5 % | 0.0 % |"), lines.index("| 種類: 姓名 | 4 | 0.0 % | 0.0 % |"))

    def test_labels_are_the_first_system_s(self):
        text = document({"集": {"甲": self.rates(self.some), "乙": self.rates(self.all)}}, "甲")
        self.assertIn("## 集（ノート 4 件、伏せる項目 16 件）", text)
        self.assertIn("### 甲 の項目別", text)
        self.assertIn("| 電話番号 | 4 | 100.0 % | [100.0, 100.0] |", text)
        self.assertNotIn("### 乙", text)
        self.assertNotIn("甲野", text)

    def test_predictions_of_other_notes_are_refused(self):
        rows = [{"id": note["id"], "spans": []} for note in self.notes]
        self.assertEqual(predictions_for(self.notes, reversed(rows)), [[]] * 4)
        for wrong in (rows[1:], [*rows, {"id": "x", "spans": []}]):
            with self.assertRaises(Mismatch):
                predictions_for(self.notes, wrong)

    def test_the_program_skips_what_is_not_there(self):
        for name, predicted in (("a", self.some), ("b", None)):
            (self.folder / name).mkdir()
            if predicted:
                rows = [{"id": n["id"], "spans": p} for n, p in zip(self.notes, predicted, strict=True)]
                write(self.folder / name / "集.jsonl", rows)
        out, figures = self.folder / "t.md", self.folder / "t.json"
        command = [
            *(sys.executable, "compare.py", "--system", f"甲={self.folder}/a", "--system", f"乙={self.folder}/b"),
            *("--set", f"集={self.gold}", "--out", out, "--json", figures, "--rounds", "20"),
        ]
        done = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True)
        self.assertIn("乙", done.stderr)
        self.assertIn("| 甲 | 8.3 %", out.read_text(encoding="utf-8"))
        numbers = json.loads(figures.read_text(encoding="utf-8"))
        self.assertEqual(list(numbers["集"]), ["甲"])
        self.assertEqual(numbers["集"]["甲"]["all"], {"rate": 0.3125, "n": 16})


if __name__ == "__main__":
    unittest.main()
