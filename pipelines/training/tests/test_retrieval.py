import random
import unittest

import numpy as np

import retrieval

GROUP = {
    "group": "g",
    "variants": [
        {"variant": v, "texts": [{"kind": k, "text": f"{v}{n}"} for n, k in enumerate(("query_short", "query_long", "record", "record", "memo"))]}
        for v in ("a", "b")
    ],
    "distractors": [{"text": "d", "why": ""}],
}
NEEDS = {
    "group": "n",
    "entries": [
        {"id": "e1", "name": "名", "kind": "給付", "fields": ["医療", "住まい"], "eligibility": "人", "detail": "額"},
        {"id": "e2", "name": "別"},
    ],
    "queries": [{"text": "q", "grades": {"e1": 3}}, {"text": "r", "grades": {"e2": 1, "e1": 0}}],
}


class Areas(unittest.TestCase):
    def test_texts_of_a_variant_are_nearer_than_those_of_the_group(self):
        for seed in range(20):
            area = retrieval.area(GROUP, random.Random(seed))
            self.assertEqual((len(area.queries), len(area.passages)), (4, 7))
            for number, query in enumerate(area.queries):
                for place, passage in enumerate(area.passages):
                    wanted = 0 if passage == "d" else 3 if passage[0] == query[0] else 2
                    self.assertEqual(area.grades.get((number, place), 0), wanted)

    def test_another_record_asks_each_time(self):
        asked = {tuple(retrieval.area(GROUP, random.Random(seed)).queries) for seed in range(30)}
        self.assertGreater(len(asked), 5)
        self.assertEqual(retrieval.area(GROUP).queries, retrieval.area(GROUP).queries)

    def test_needs_keep_their_grades(self):
        area = retrieval.area(NEEDS)
        self.assertEqual(area.passages[0], "名。給付。医療・住まい。人。額")
        self.assertEqual(area.passages[1], "別")
        self.assertEqual(area.grades, {(0, 0): 3, (1, 1): 1})

    def test_held_out_groups_are_not_trained_on(self):
        rows = [GROUP | {"group": str(n)} for n in range(10)] + [NEEDS | {"group": f"n{n}"} for n in range(10)]
        train, held = retrieval.split(rows, 0.2, 3)
        self.assertEqual((len(train), len(held)), (16, 4))
        self.assertFalse({g["group"] for g in train} & {g["group"] for g in held})
        self.assertEqual(sum("variants" in g for g in held), 2)

    def test_thinning_never_empties_a_text(self):
        text = "一つ。二つ。三つ。"
        self.assertEqual(retrieval.thinned(text, random.Random(1), 1.0), text)
        self.assertEqual(retrieval.thinned("短い", random.Random(1), 1.0), "短い")


class Scores(unittest.TestCase):
    def test_ndcg(self):
        self.assertEqual(retrieval.ndcg([0, 1], {0: 3, 1: 1}), 1.0)
        # (1 + 7 / log2 3) / (7 + 1 / log2 3)
        self.assertAlmostEqual(retrieval.ndcg([1, 0], {0: 3, 1: 1}), 0.70980, 4)
        self.assertEqual(retrieval.ndcg([5], {0: 3}), 0.0)

    def test_pooled_areas_are_judged_apart(self):
        queries, passages, grades = retrieval.judged([retrieval.area(NEEDS), retrieval.area(NEEDS)])
        self.assertEqual(queries, ["q", "r", "q", "r"])
        self.assertEqual(len(passages), 4)
        self.assertEqual(grades, [{0: 3}, {1: 1}, {2: 3}, {3: 1}])
        vectors = np.eye(4, dtype=np.float32)
        self.assertEqual(retrieval.score(vectors, vectors, grades)[0], 1.0)

    def test_the_development_set_is_read(self):
        sets = {name: (q, p, g) for name, q, p, g in retrieval.evaluation_sets()}
        queries, passages, grades = sets["similar-dev"]
        self.assertEqual((len(queries), len(passages), sum(map(len, grades))), (14, 80, 100))


if __name__ == "__main__":
    unittest.main()
