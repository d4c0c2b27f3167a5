"""The synthetic corpus: every span is where it says, nothing that must stay readable is marked."""

import collections
import json
import random
import re
import unittest

from synth import generate, grammar, noise, people, places
from synth.document import FACILITY_KINDS, FORMS, Document, Piece
from synth.lists import load

LABELS = {"PERSON", "ADDRESS", "FACILITY", "PHONE", "EMAIL", "POSTAL_CODE", "BIRTHDATE", "ID_NUMBER", "ACCOUNT", "OTHER_ID", "OPT"}
HONORIFIC = re.compile(r"(さん|様|さま|氏|殿|くん|CW|PSW|MSW|ケアマネ|民生委員|保健師)$")
COUNT = 4000


class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.documents = [generate.make(20, n) for n in range(COUNT)]
        cls.surfaces = collections.defaultdict(list)
        for d in cls.documents:
            for s in d["spans"]:
                cls.surfaces[s["label"]].append((d["text"][s["start"]:s["end"]], s["form"], d))

    def test_spans_lie_in_the_text_in_order_without_overlap(self):
        for d in self.documents:
            end = 0
            for s in d["spans"]:
                self.assertLessEqual(end, s["start"], d["id"])
                self.assertLess(s["start"], s["end"], d["id"])
                self.assertLessEqual(s["end"], len(d["text"]), d["id"])
                self.assertIn(s["label"], LABELS)
                end = s["end"]

    def test_no_span_begins_or_ends_with_a_blank_or_a_mark(self):
        for label, rows in self.surfaces.items():
            for surface, _, d in rows:
                self.assertEqual(surface, surface.strip(), d["id"])
                self.assertNotRegex(surface, r"^[、。：；「」]|[、。：；「（]$", d["id"])

    def test_honorifics_stay_outside_names_except_fused_nicknames(self):
        for surface, form, d in self.surfaces["PERSON"]:
            if form != "nick" and "foreign" not in form and d["genre"] != "ocr_fax":
                self.assertIsNone(HONORIFIC.search(surface), (d["id"], surface))

    def test_what_must_stay_readable_is_never_marked(self):
        marked = 0
        for d in self.documents:
            inside = {i for s in d["spans"] for i in range(s["start"], s["end"])}
            for start, end in d["traps"]:
                marked += 1
                self.assertFalse(inside.intersection(range(start, end)), d["id"])
        self.assertGreater(marked, COUNT)

    def test_named_tests_and_diseases_are_never_part_of_a_span(self):
        words = set(load("plain")["test"] + load("plain")["disease"]) - {"FAB", "GDS", "K6", "ALS"}
        for label, rows in self.surfaces.items():
            for surface, _, d in rows:
                self.assertFalse(surface in words, (d["id"], surface))

    def test_a_marked_name_is_not_left_visible_elsewhere(self):
        """Outside traps, a surface of three or more characters marked once is marked at every place."""
        for d in self.documents:
            covered = {i for s in d["spans"] for i in range(s["start"], s["end"])}
            covered |= {i for a, b in d["traps"] for i in range(a, b)}
            for s in d["spans"]:
                surface = d["text"][s["start"]:s["end"]]
                if s["label"] == "OPT" or len(surface) < 3:
                    continue
                for m in re.finditer(re.escape(surface), d["text"]):
                    self.assertTrue(covered.intersection(range(*m.span())), (d["id"], surface))

    def test_every_label_is_frequent(self):
        floor = {"PERSON": 5000, "ADDRESS": 1000, "FACILITY": 1500, "PHONE": 400, "EMAIL": 60, "POSTAL_CODE": 80, "BIRTHDATE": 200, "ID_NUMBER": 150, "ACCOUNT": 60, "OTHER_ID": 50, "OPT": 300}
        for label, least in floor.items():
            self.assertGreaterEqual(len(self.surfaces[label]), least, label)

    def test_every_form_occurs(self):
        forms = collections.Counter(f"{label}.{form}" for label, rows in self.surfaces.items() for _, form, _ in rows)
        person = "full full_gap surname one_char given hira_given kata_given kana_full kata_full hw_kana kana_sur kata_sur nick latin foreign_kata foreign_one foreign_kanji foreign_latin alias mixed_full".split()
        address = "full no_pref town_no chome city_town city town building room station landmark pref bare_city kana danchi foreign_city".split()
        phone = "hyphen plain paren full_width dot space odd_hyphen international spoken_no spoken_kanji local".split()
        ids = "my_number hihokensha hokensha jukyusha techo pension license zairyu case_no".split()
        births = "wareki_long wareki_short western_long western_short compact kanji".split()
        wanted = [f"PERSON.{f}" for f in person] + [f"ADDRESS.{f}" for f in address] + [f"PHONE.{f}" for f in phone] + [f"ID_NUMBER.{f}" for f in ids] + [f"BIRTHDATE.{f}" for f in births]
        wanted += [f"FACILITY.{k}" for k in FACILITY_KINDS] + ["OTHER_ID.line", "OTHER_ID.sns", "OTHER_ID.plate", "ACCOUNT.bank", "ACCOUNT.yucho", "OPT.age", "OPT.initial", "OPT.bank", "OPT.pet", "OPT.nationality", "OPT.extension"]
        self.assertEqual([f for f in wanted if forms[f] < 2], [])

    def test_every_genre_and_region_occurs(self):
        genres = collections.Counter(d["genre"] for d in self.documents)
        self.assertEqual({g for g in grammar.genres() if genres[g] < 8}, set())
        prefectures = {p for p in load("places")["pop"] for s, _, _ in self.surfaces["ADDRESS"] if s.startswith(p.split("=")[0])}
        self.assertGreaterEqual(len(prefectures), 40)

    def test_the_same_seed_gives_the_same_documents(self):
        again = [generate.make(20, n) for n in range(40)]
        self.assertEqual(json.dumps(again, ensure_ascii=False), json.dumps(self.documents[:40], ensure_ascii=False))
        self.assertNotEqual([d["text"] for d in again], [generate.make(21, n)["text"] for n in range(40)])


class Parts(unittest.TestCase):
    def test_skeletons_parse_and_are_many(self):
        lines = [x for g in grammar.genres() for rule in grammar.load(g).rules.values() for x in rule]
        lines += [x for rule in grammar.shared().values() for x in rule]
        written = {x.source for x in lines if any(n[0] in ("t", "s") for n in x.nodes)}
        self.assertGreaterEqual(len(written), 400)

    def test_every_slot_and_rule_of_every_line_works(self):
        """Each line is expanded on its own in each scene it allows."""
        for genre in grammar.genres():
            skeleton = grammar.load(genre)
            for rule in list(skeleton.rules.values()) + list(grammar.shared().values()):
                for line in rule:
                    document = Document(random.Random(line.source), genre, skeleton.settings)
                    document.scene = sorted(line.scenes)[0] if line.scenes else document.scene
                    grammar.Expander(random.Random(1), skeleton, document).nodes(line.nodes)
                    self.assertTrue(document.pieces or "{new" in line.source, line.source)

    def test_skeletons_hold_no_names(self):
        """Literal text must not carry a common surname that would go unmarked."""
        common = {s for s, _ in people._package()[0][:150] if len(s) > 1} - {"中川", "小川", "大野", "松田", "平野", "高田", "上田", "本田", "田中", "大石", "石川", "福島", "千葉", "宮城", "岡山", "山口", "長崎", "熊本", "大阪"}
        for genre in grammar.genres() + ("_core",):
            for rule in grammar.load(genre).rules.values():
                for line in rule:
                    literal = "".join(_literals(line.nodes))
                    for word in common:
                        self.assertNotIn(word, literal.replace("長谷川式", "").replace("橋本病", "").replace("鈴木ビネー", "").replace("田中ビネー", "").replace("森田療法", ""), line.source)

    def test_noise_keeps_spans_on_their_characters(self):
        for seed in range(200):
            rng = random.Random(seed)
            buffer = noise.Buffer([Piece("氏名："), Piece("☆☆☆☆", "PERSON", "full"), Piece("、本日は晴れ。電話"), Piece("★★★★★★", "PHONE", "plain"), Piece("。" * 30)])
            rng.choice([noise.ocr, noise.wrap, noise.speech])(rng, buffer)
            text, spans, _ = buffer.result()
            got = [re.sub(r"\s", "", text[s["start"]:s["end"]]) for s in spans]
            self.assertEqual(got, ["☆☆☆☆", "★★★★★★"])

    def test_kanji_numbers_and_romaji(self):
        self.assertEqual([places.kanji_number(n) for n in (3, 10, 12, 20, 47, 305)], ["三", "十", "十二", "二十", "四十七", "三〇五"])
        self.assertEqual([people.romaji(k) for k in ("ささき", "じゅんいち", "はっとり", "ゆうこ", "しょうた", "まっちゃん")], ["Sasaki", "Junichi", "Hattori", "Yuko", "Shota", "Matchan"])
        self.assertEqual(people.half_width("がーデン"), "ｶﾞｰﾃﾞﾝ")

    def test_every_name_form_renders_for_every_nation(self):
        for nation in people.FOREIGN:
            for sex in "mf":
                p = people.foreign(random.Random(3), sex, __import__("datetime").date(1990, 5, 1), nation)
                for form in sorted(FORMS):
                    surface, _, _ = people.render(random.Random(4), p, form)
                    self.assertTrue(surface.strip(), (nation, form))

    def test_a_bad_skeleton_names_its_place(self):
        for text in ("[開く", "(a|b", "余り)"):
            with self.assertRaises(ValueError):
                grammar.parse(text)


def _literals(nodes):
    for node in nodes:
        match node:
            case ("t", text):
                yield text
            case ("o", _, inner):
                yield from _literals(inner)
            case ("a", options):
                for _, inner in options:
                    yield from _literals(inner)


if __name__ == "__main__":
    unittest.main()
