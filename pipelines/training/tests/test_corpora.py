import collections
import unittest

import corpora
from labels import alternatives
from storage import read_jsonl


class Mapping(unittest.TestCase):
    def label(self, set_name, theirs, text):
        return corpora.mapping().label(set_name, theirs, text)

    def test_people_are_people(self):
        for set_name, theirs in (("ner-wikipedia", "人名"), ("ud-japanese-gsd-ne", "PERSON"), ("wikipedia-annotated", "PERSON")):
            self.assertEqual(self.label(set_name, theirs, "架空花子"), "PERSON")

    def test_places_stay_open_between_address_and_nothing(self):
        self.assertEqual(self.label("ner-wikipedia", "地名", "架空県"), "ADDRESS|O")
        self.assertEqual(self.label("ud-japanese-gsd-ne", "GPE", "架空市"), "ADDRESS|O")
        self.assertEqual(self.label("wikipedia-annotated", "LOCATION", "大阪府"), "ADDRESS|FACILITY|O")

    def test_facilities_by_their_kind(self):
        cases = {
            "架空病院": "FACILITY",
            "架空小学校": "FACILITY",
            "病院": "FACILITY|ADDRESS|O",
            "架空駅": "ADDRESS|O",
            "架空城": "FACILITY|ADDRESS|O",
        }
        for text, expected in cases.items():
            self.assertEqual(self.label("ner-wikipedia", "施設名", text), expected, text)

    def test_companies_and_public_bodies(self):
        self.assertEqual(self.label("ner-wikipedia", "法人名", "架空運輸株式会社"), "FACILITY")
        self.assertEqual(self.label("ner-wikipedia", "法人名", "架空"), "FACILITY|O")
        self.assertEqual(self.label("ner-wikipedia", "政治的組織名", "架空市教育委員会"), "O")
        self.assertEqual(self.label("ud-japanese-gsd-ne", "ORG", "厚生労働省"), "O")
        self.assertEqual(self.label("wikipedia-annotated", "ORGANIZATION", "架空大学"), "FACILITY")

    def test_open_annotations_teach_nothing(self):
        self.assertEqual(alternatives(self.label("wikipedia-annotated", "OPTIONAL", "架空")), ("ANY",))

    def test_dates_and_numbers_without_a_label_are_left_open(self):
        text = "架空花子（1950年3月4日 - ）は03-0000-0000、x@example.jp、令和二年。3人、第2回"
        zones = [text[z["start"] : z["end"]] for z in corpora.mapping().zones(text, [])]
        for expected in ("1950年3月4日", "03-0000-0000", "x@example.jp", "令和二年"):
            self.assertIn(expected, zones)
        self.assertFalse(any(zone in ("3", "2") for zone in zones))
        labelled = [{"start": text.index("1950"), "end": text.index("）")}]
        zones = [text[z["start"] : z["end"]] for z in corpora.mapping().zones(text, labelled)]
        self.assertNotIn("1950年3月4日", zones)


class Sets(unittest.TestCase):
    def test_every_label_of_every_set_is_mapped(self):
        for name, labels in corpora.mapping().sets.items():
            seen = collections.Counter(
                span["label"] for row in read_jsonl(corpora.PUBLIC_SETS / name / "train.jsonl") for span in row["spans"]
            )
            self.assertEqual(set(seen) - set(labels), set(), name)
            self.assertTrue((corpora.PUBLIC_SETS / name / "LICENSE-ATTRIBUTION.md").exists())

    def test_held_out_documents_are_not_trained_on(self):
        training, held_out = corpora.read_all()
        keys = [{row["set"] + row["document"] for row in rows} for rows in (training, held_out)]
        self.assertFalse(keys[0] & keys[1])
        share = len(held_out) / (len(training) + len(held_out))
        self.assertTrue(0.03 < share < 0.08, share)
        for row in training[::50]:
            for span in row["spans"]:
                self.assertTrue(0 <= span["start"] < span["end"] <= len(row["text"]))
                alternatives(span["label"])


if __name__ == "__main__":
    unittest.main()
