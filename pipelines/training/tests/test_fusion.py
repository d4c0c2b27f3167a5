"""The weights of the fusion are found again where they are known."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

import fusion


class Fusion(unittest.TestCase):
    def test_the_features_are_those_of_the_program(self):
        names = fusion.feature_names()
        self.assertEqual(names[:2], ["bias", "inside"])
        self.assertEqual(len(names), len(set(names)))

    def test_known_weights_are_found_again(self):
        rng = np.random.default_rng(1)
        values = np.column_stack([np.ones(6000), rng.normal(size=(6000, 2))])
        true = np.array([-0.5, 2.0, -1.0])
        truth = (rng.random(6000) < fusion.probability(values, true)).astype(float)
        free = np.array([True, False, True])
        np.testing.assert_allclose(fusion.fit(values, truth, free, 1e-3), true, atol=0.15)

    def test_a_source_never_speaks_against_itself(self):
        rng = np.random.default_rng(1)
        values = np.column_stack([np.ones(2000), rng.normal(size=(2000, 2))])
        truth = (rng.random(2000) < fusion.probability(values, np.array([0.0, 1.0, -2.0]))).astype(float)
        weights = fusion.fit(values, truth, np.array([True, False, False]))
        self.assertGreater(weights[1], 0)
        self.assertEqual(weights[2], 0)

    def test_letters_of_dont_care_zones_are_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            notes, evidence = Path(folder) / "notes.jsonl", Path(folder) / "evidence.jsonl"
            spans = [{"start": 0, "end": 2, "label": "PERSON"}, {"start": 2, "end": 4, "label": "PERSON", "optional": True}]
            notes.write_text(json.dumps({"id": "n1", "text": "森本さん来所", "spans": spans}), encoding="utf-8")
            rows = [[at, [1.0, 0.5]] for at in range(6)]
            evidence.write_text(json.dumps({"id": "n1", "rows": rows}), encoding="utf-8")
            values, truth, owner = fusion.read(notes, evidence)
        self.assertEqual(truth.tolist(), [1, 1, 0, 0])
        self.assertEqual(values.shape, (4, 2))
        self.assertEqual(len(set(owner)), 1)


if __name__ == "__main__":
    unittest.main()
