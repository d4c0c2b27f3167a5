import json
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from evaluate import MASKING_DEV, load_notes, score
from labels import LABELS
from samples import batches, cut, joined
from tagging import TextTagger
from tests.tokenizers_for_tests import ner


class Scores(unittest.TestCase):
    def test_equal_those_of_the_set_s_own_script(self):
        notes = load_notes(MASKING_DEV / "notes.jsonl")
        rng = random.Random(5)
        predictions = []
        for note in notes:
            spans = [s for s in note["spans"] if rng.random() < 0.8]
            spans = [{"start": s["start"], "end": s["end"] - (rng.random() < 0.1), "label": s["label"]} for s in spans]
            at = rng.randrange(len(note["text"]) - 5)
            predictions.append([*spans, {"start": at, "end": at + 4, "label": "PERSON"}])
        report = score(notes, predictions, rounds=200)
        with tempfile.TemporaryDirectory() as folder:
            predicted, out = Path(folder) / "p.jsonl", Path(folder) / "o.json"
            rows = [json.dumps({"id": n["id"], "spans": p}) for n, p in zip(notes, predictions)]
            predicted.write_text("\n".join(rows))
            command = [sys.executable, MASKING_DEV / "score.py", predicted, "--json", out, "--boot", "200", "--detail"]
            subprocess.run(command, check=True, capture_output=True)
            theirs = json.loads(out.read_text())
        head = theirs["headline"]
        ours = report.rates["PERSON+ADDRESS"]
        self.assertEqual(ours.value, head["entity_leak"])
        self.assertEqual([ours.low, ours.high], head["ci95"][1])
        over = report.rates["over-masking"]
        self.assertEqual(over.value, head["over_mask"])
        self.assertEqual([over.low, over.high], head["ci95"][2])
        for label in LABELS:
            if theirs["labels"][label]["n"]:
                self.assertEqual(report.rates[label].value, theirs["labels"][label]["entity_leak"], label)
        for form, figures in theirs["person_forms"].items():
            self.assertEqual(report.rates[f"form: PERSON {form}"].value, figures["leak"])
        self.assertAlmostEqual(1 - report.rates["notes with something visible"].value, theirs["clean_notes"])

    def test_forms_and_zones_of_other_files(self):
        note = {"id": "x", "text": "甲野と丙氏", "spans": [
            {"start": 0, "end": 2, "label": "PERSON", "form": "surname"}, {"start": 3, "end": 5, "label": "OPT"}]}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "n.jsonl"
            path.write_text(json.dumps(note))
            notes = load_notes(path)
        rates = score(notes, [[{"start": 1, "end": 2, "label": "ADDRESS"}]], rounds=0).rates
        self.assertEqual((rates["form: PERSON / surname"].hits, rates["PERSON"].of), (1, 1))
        self.assertEqual((rates["over-masking"].hits, rates["over-masking"].of), (0, 1))


class Tagging(unittest.TestCase):
    def test_an_entity_belongs_to_the_window_it_starts_in(self):
        import numpy as np

        from labels import class_of

        tokenizer = ner()
        name = tokenizer.encode("山").ids[-2]

        def says_mountain(ids):
            logits = np.zeros((len(ids), 41), np.float32)
            logits[:, 0] = 5
            logits[np.array(ids) == name, class_of("S", "PERSON")] = 9
            return logits

        text = ("あ、" * 100 + "山。") * 5
        found = TextTagger(says_mountain, tokenizer).tag(text)
        self.assertEqual([e["start"] for e in found], [i for i, c in enumerate(text) if c == "山"])


class SamplesTest(unittest.TestCase):
    def test_batches_hold_every_sample_once_and_repeat(self):
        lengths = [random.Random(1).randrange(3, 200) for _ in range(5000)]
        order = batches(lengths, 1000, seed=1, epoch=0)
        self.assertEqual(sorted(i for batch in order for i in batch), list(range(5000)))
        self.assertTrue(all(len(b) * max(lengths[i] for i in b) <= 1000 for b in order))
        self.assertEqual(order, batches(lengths, 1000, seed=1, epoch=0))
        self.assertNotEqual(order, batches(lengths, 1000, seed=1, epoch=1))

    def test_joined_texts_keep_every_span(self):
        rows = [{"text": f"甲野{i}です。", "spans": [{"start": 0, "end": 2, "label": "PERSON"}]} for i in range(50)]
        rows.append({"text": "い" * 900, "spans": []})
        out = list(joined(rows, random.Random(2), ("", "\n")))
        self.assertLess(len(out), len(rows))
        self.assertEqual(sum(len(row["spans"]) for row in out), 50)
        self.assertTrue(all(row["text"][s["start"] : s["end"]] == "甲野" for row in out for s in row["spans"]))
        self.assertEqual(out[-1]["text"].count("い"), 900)

    def test_cut_keeps_what_is_left_of_a_span(self):
        text, spans = cut("あ甲野い", [{"start": 1, "end": 3, "label": "PERSON"}], 2, 4)
        self.assertEqual((text, spans), ("野い", [{"start": 0, "end": 1, "label": "PERSON"}]))


if __name__ == "__main__":
    unittest.main()
