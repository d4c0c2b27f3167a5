import unittest

from preparation import prepare, variants, windows


class Preparation(unittest.TestCase):
    def test_positions_survive_composition(self):
        # As in models/src/normalise.rs.
        prepared = prepare("ｱﾊﾟｰﾄの𠮷﨑")
        self.assertEqual(prepared.text, "アパートの吉崎")
        self.assertEqual(prepared.origin[1], (1, 3))
        self.assertEqual(prepared.origin[6], (7, 8))
        self.assertEqual(prepared.original(0, 4), (0, 5))

    def test_half_width_table(self):
        pairs = {"｡": "。", "ｱ": "ア", "ﾝ": "ン", "ｳﾞ": "ヴ", "ﾊﾞ": "バ", "ﾊﾟ": "パ", "ﾞ": "ﾞ", "ｱﾞ": "アﾞ"}
        for half, full in pairs.items():
            self.assertEqual(prepare(half).text, full)

    def test_spaces_tildes_and_lines(self):
        self.assertEqual(prepare("1～2〜3\u3000a\tb\r\nc").text, "1~2~3 a b \nc")

    def test_variants_are_single_characters(self):
        self.assertGreater(len(variants()), 200)
        self.assertTrue(all(len(a) == len(b) == 1 for a, b in variants().items()))


class Windows(unittest.TestCase):
    def test_cover_everything_once(self):
        for length in (0, 1, 279, 280, 281, 900):
            for fill in "あ。\n":
                following = 0
                for w in windows(fill * length):
                    self.assertEqual(w.start, following)
                    self.assertTrue(w.first <= w.start < w.end <= w.last <= length)
                    following = w.end
                self.assertEqual(following, length)

    def test_cut_at_a_line_end_before_a_full_stop(self):
        text = "あ" * 150 + "\n" + "い" * 100 + "。" + "う" * 200
        first, second, *_ = windows(text)
        self.assertEqual((first.end, second.start), (151, 151))
        self.assertLess(second.first, second.start)


if __name__ == "__main__":
    unittest.main()
