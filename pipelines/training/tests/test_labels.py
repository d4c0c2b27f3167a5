import itertools
import unittest

import numpy as np

from labels import CLASSES, Grammar, alternatives, classes_for, log_softmax, may_follow, places

SMALL = ("O", "B-PERSON", "I-PERSON", "E-PERSON", "S-PERSON", "B-PHONE", "I-PHONE", "E-PHONE", "S-PHONE")


def legal(path, classes) -> bool:
    names = [classes[i] for i in path]
    starts = names[0][0] in "OBS" and names[-1][0] in "OES"
    return starts and all(may_follow(a, b) for a, b in zip(names, names[1:]))


class Decoding(unittest.TestCase):
    def test_is_the_best_legal_path(self):
        rng = np.random.default_rng(3)
        grammar = Grammar(SMALL)
        for _ in range(20):
            scores = log_softmax(rng.normal(0, 3, (4, len(SMALL))))
            every = (p for p in itertools.product(range(len(SMALL)), repeat=4) if legal(p, SMALL))
            best = max(every, key=lambda path: sum(scores[t][c] for t, c in enumerate(path)))
            self.assertEqual(tuple(grammar.decode(scores)), best)

    def test_random_scores_give_legal_paths(self):
        rng = np.random.default_rng(4)
        grammar = Grammar()
        for length in (1, 2, 3, 50):
            path = grammar.decode(log_softmax(rng.normal(0, 5, (length, len(CLASSES)))))
            self.assertTrue(legal(path, CLASSES))
        self.assertEqual(grammar.decode(np.zeros((0, len(CLASSES)), np.float32)), [])

    def test_an_entity_is_never_left_open(self):
        # The same scores as in models/src/viterbi.rs; greedy would say B O.
        grammar = Grammar(SMALL[:5])
        scores = np.array([[-1.0, -0.1, -9, -9, -3], [-0.1, -9, -9, -2, -9]], np.float32)
        self.assertEqual(grammar.decode(scores), [0, 0])
        scores = np.array([[-5.0, -0.1, -9, -9, -7], [-0.1, -9, -9, -2, -9]], np.float32)
        self.assertEqual(grammar.decode(scores), [1, 3])

    def test_entities_of_a_path(self):
        names = ["O", "B-PERSON", "I-PERSON", "E-PERSON", "S-PHONE", "O"]
        path = [CLASSES.index(name) for name in names]
        self.assertEqual(Grammar().entities(path), [(1, 3, "PERSON"), (4, 4, "PHONE")])

    def test_a_bias_against_outside_finds_more(self):
        logits = np.zeros((1, len(CLASSES)), np.float32)
        logits[0, 0] = 1.0
        self.assertEqual(Grammar().decode(log_softmax(logits)), [0])
        self.assertNotEqual(Grammar().decode(log_softmax(logits, -2.0)), [0])


class Classes(unittest.TestCase):
    def test_forty_one_in_the_runtime_s_order(self):
        self.assertEqual(len(CLASSES), 41)
        self.assertEqual(CLASSES[:6], ("O", "B-PERSON", "I-PERSON", "E-PERSON", "S-PERSON", "B-ADDRESS"))

    def test_places(self):
        self.assertEqual([places(n) for n in (1, 2, 4)], ["S", "BE", "BIIE"])

    def test_unknown_labels_are_refused(self):
        for label in ("NAME", "ADDRESS|", "~O"):
            with self.assertRaises(ValueError):
                alternatives(label)

    def test_every_open_path_holds_the_whole_entity_or_nothing(self):
        permitted = classes_for("FACILITY|O", 3)
        paths = [p for p in itertools.product(*permitted) if legal(p, CLASSES)]
        self.assertEqual(
            sorted(tuple(CLASSES[c] for c in p) for p in paths),
            [("B-FACILITY", "I-FACILITY", "E-FACILITY"), ("O", "O", "O")],
        )


if __name__ == "__main__":
    unittest.main()
