import unittest

import base
from alignment import align, tokenise
from labels import CLASSES, Grammar, class_of
from tests.tokenizers_for_tests import embedding, ner

TOKENIZERS = {"embedding": embedding, "ner": ner}


def marked(text: str) -> tuple[str, list[dict]]:
    """「[架空|PERSON]さん」 → text and spans."""
    out, spans = "", []
    for part in text.split("["):
        inside, bracket, rest = part.partition("]")
        if bracket:
            surface, _, label = inside.partition("|")
            label = label.replace("/", "|")
            spans.append({"start": len(out), "end": len(out) + len(surface), "label": label})
            out += surface + rest
        else:
            out += part
    return out, spans


def decoded(text: str, spans: list[dict], tokenizer) -> list[tuple[str, str]]:
    """Entities read back from the only permitted path."""
    aligned = align(text, spans, tokenizer)
    path = [min(classes) for classes in aligned.permitted]
    offsets = tokenise(text, tokenizer).offsets
    return [
        (text[offsets[first][0] : offsets[last][1]].strip(), label)
        for first, last, label in Grammar().entities(path)
    ]


class Alignment(unittest.TestCase):
    def test_spans_come_back_from_tokens(self):
        text, spans = marked(
            "氏名：[架空 花子|PERSON]（[昭和35年3月4日|BIRTHDATE]生）、[東京都千代田区架空町1-2-3 コーポ架空201|ADDRESS]。"
            "TEL [090-0000-0000|PHONE]、〒[000-0000|POSTAL_CODE]"
        )
        expected = [(text[s["start"] : s["end"]], s["label"]) for s in spans]
        for name, tokenizer in TOKENIZERS.items():
            with self.subTest(name):
                self.assertEqual(decoded(text, spans, tokenizer()), expected)
                self.assertEqual(align(text, spans, tokenizer()).misaligned, 0)

    def test_variants_and_widths_keep_their_places(self):
        text, spans = marked(
            "[髙﨑　ﾊﾅｺ|PERSON]様、[㈱ｱﾊﾟｰﾄ架空|FACILITY]に勤務。℡[０９０－００００－００００|PHONE] [𠮷田|PERSON]氏、[か\u3099う|PERSON]さん"
        )
        expected = [(text[s["start"] : s["end"]], s["label"]) for s in spans]
        for name, tokenizer in TOKENIZERS.items():
            with self.subTest(name):
                self.assertEqual(decoded(text, spans, tokenizer()), expected)

    def test_tokens_cover_every_letter_in_order(self):
        text = "ｶﾞｷﾞｸﾞ①号室～㈱髙﨑　㌢ ﾊﾟﾋﾟ゛１２㎡\r\n②  Ａさん\t… ﬁn"
        for name, tokenizer in TOKENIZERS.items():
            with self.subTest(name):
                offsets = tokenise(text, tokenizer()).offsets
                self.assertTrue(all(a[0] <= b[0] and a[1] <= b[1] for a, b in zip(offsets, offsets[1:])))
                covered = {i for start, end in offsets for i in range(start, end)}
                missing = [c for i, c in enumerate(text) if c.isalnum() and i not in covered]
                self.assertEqual(missing, [])

    def test_classes_are_bioes(self):
        text, spans = marked("[東京都千代田区架空町|ADDRESS]の[森|PERSON]さん")
        permitted = align(text, spans, ner()).permitted
        names = [CLASSES[min(p)] for p in permitted]
        address = [n for n in names if n.endswith("ADDRESS")]
        self.assertEqual(address[0][0] + address[-1][0], "BE")
        self.assertTrue(all(n[0] == "I" for n in address[1:-1]))
        self.assertIn("S-PERSON", names)

    def test_an_entity_inside_a_token_takes_the_whole_token(self):
        tokenizer = embedding()
        text = "この人は林です"
        tokens = [text[a:b] for a, b in tokenise(text, tokenizer).offsets]
        longest = max(tokens, key=len)
        self.assertGreater(len(longest), 1)
        start = text.index(longest)
        spans = [{"start": start, "end": start + 1, "label": "PERSON"}]
        aligned = align(text, spans, tokenizer)
        self.assertEqual((aligned.entities, aligned.misaligned), (1, 1))
        self.assertEqual(decoded(text, spans, tokenizer), [(longest, "PERSON")])

    def test_boundary_crossing_pieces_are_out_of_reach(self):
        tokenizer = ner()
        for text in ("人は", "日本の", "1)", "3.架空", "35)", "「2", "す。(", "昭和35年生"):
            for start, end in tokenise(text, tokenizer).offsets:
                piece = text[start:end]
                self.assertFalse(base.mixes_scripts(piece) or base.mixes_marks(piece), piece)

    def test_a_line_break_is_a_token(self):
        text, spans = marked("氏名　[架空|PERSON]　\r\n　[花子|PERSON]")
        tokenizer = ner()
        self.assertIn(base.LINE_BREAK, tokenizer.encode(text).tokens)
        self.assertEqual(decoded(text, spans, tokenizer), [("架空", "PERSON"), ("花子", "PERSON")])

    def test_open_labels(self):
        text, spans = marked("[架空県|ADDRESS/O]、[丙氏|OPT]、[三月|O/~BIRTHDATE]、[甲野|PERSON]")
        aligned = align(text, spans, ner())
        self.assertEqual(aligned.permitted[0], frozenset({0, class_of("B", "ADDRESS")}))
        by_start = {start: p for (start, _), p in zip(tokenise(text, ner()).offsets, aligned.permitted)}
        self.assertEqual(len(by_start[text.index("丙")]), len(CLASSES))
        self.assertEqual(by_start[text.index("三")], {0} | {class_of(p, "BIRTHDATE") for p in "BIES"})
        self.assertEqual(aligned.entities, 1)

    def test_certain_labels_win_over_open_ones(self):
        text, spans = marked("甲野乙子です")
        spans = [{"start": 0, "end": 4, "label": "PERSON"}, {"start": 0, "end": 6, "label": "OPT"}]
        self.assertEqual(decoded(text, spans, ner())[0], ("甲野乙子", "PERSON"))


if __name__ == "__main__":
    unittest.main()
