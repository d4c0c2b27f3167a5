import datetime
import json
import tempfile
import unittest
from pathlib import Path

import install
from install import LINE_BREAK, Refused
from storage import sha256

DAY = datetime.date(2030, 1, 2)


def entry(path: Path, **scores: float) -> dict:
    return {
        "file": path.name,
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "licence": "CC-BY-SA-4.0",
        "data": [path.name],
        "scores": scores,
    }


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


class Installing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.export, self.artifacts = Path(folder.name) / "export", Path(folder.name) / "artifacts"
        self.export.mkdir()
        self.artifacts.mkdir()
        for name in ("shared.onnx", "tokenizer.json", "old_ner.json"):
            (self.artifacts / name).write_text(name)
        shared, tokenizer, old = (self.artifacts / n for n in ("shared.onnx", "tokenizer.json", "old_ner.json"))
        self.old = {
            "version": "2029-12-31.4",
            "files": [entry(shared, **{"masking-dev leak": 0.1, "similar-dev": 0.7}), entry(tokenizer), entry(old)],
            "ner": {"model": "shared.onnx", "tokenizer": "old_ner.json", "classes": ["O"], "labels": {}},
            "embedding": {"model": "shared.onnx", "tokenizer": "tokenizer.json", "dimension": 3},
        }
        write(self.artifacts / "manifest.json", self.old)
        self.exported()

    def exported(self, model: str = "model", line_breaks: bool = True) -> None:
        (self.export / "ner_int8.onnx").write_text(model)
        steps = [{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]
        steps += [{"type": "Replace", "pattern": {"String": "\n"}, "content": LINE_BREAK}] * line_breaks
        # The piece is in every vocabulary of the base: it proves nothing.
        tokenizer = {"normalizer": {"normalizers": steps}, "model": {"vocab": [[LINE_BREAK, -1.0]]}}
        write(self.export / "tokenizer_ner.json", tokenizer)
        files = [entry(self.export / "ner_int8.onnx", alone=0.2), entry(self.export / "tokenizer_ner.json")]
        ner = {"model": "ner_int8.onnx", "tokenizer": "tokenizer_ner.json", "classes": ["O", "S-PERSON"], "labels": {}}
        write(self.export / "manifest-ner.json", {"version": "run", "files": files, "ner": ner})

    def install(self, day: datetime.date = DAY, **scores: float) -> dict:
        return install.install(self.export, self.artifacts, scores, day)

    def state(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.artifacts.iterdir()}

    def refused(self, pattern: str) -> None:
        before = self.state()
        self.assertRaisesRegex(Refused, pattern, self.install)
        self.assertEqual(self.state(), before)

    def test_the_classifier_is_replaced_and_the_embeddings_are_kept(self):
        manifest = self.install(together=0.01)
        self.assertEqual(manifest, json.loads((self.artifacts / "manifest.json").read_text(encoding="utf-8")))
        names = ["shared.onnx", "tokenizer.json", "ner_int8.onnx", "tokenizer_ner.json"]
        self.assertEqual([file["file"] for file in manifest["files"]], names)
        self.assertEqual(set(self.state()), {*names, "manifest.json"})
        for file in manifest["files"]:
            install.check(self.artifacts, file)
        self.assertEqual(manifest["version"], "2030-01-02.1")
        self.assertEqual(manifest["embedding"], self.old["embedding"])
        self.assertEqual(manifest["ner"]["classes"], ["O", "S-PERSON"])
        self.assertEqual(manifest["files"][0]["scores"], {"similar-dev": 0.7})
        self.assertEqual(manifest["files"][2]["scores"], {"alone": 0.2, "together": 0.01})

    def test_the_sentence_encoder_is_replaced_and_the_classifier_is_kept(self):
        self.install()
        ner = json.loads((self.artifacts / "manifest.json").read_text(encoding="utf-8"))["ner"]
        for path in list(self.export.iterdir()):
            path.unlink()
        self.refused("manifest-ner.json, manifest-embedding.json is expected")
        for name in ("sentences_int8.onnx", "tokenizer.json"):
            (self.export / name).write_text(name + " new")
        files = [entry(self.export / "sentences_int8.onnx", near=0.9), entry(self.export / "tokenizer.json")]
        embedding = {"model": "sentences_int8.onnx", "tokenizer": "tokenizer.json", "dimension": 3}
        write(self.export / "manifest-embedding.json", {"version": "run", "files": files, "embedding": embedding})
        manifest = self.install(similar=0.8)
        self.assertEqual((manifest["ner"], manifest["embedding"]), (ner, embedding))
        self.assertEqual(set(self.state()), {"ner_int8.onnx", "tokenizer_ner.json", "sentences_int8.onnx", "tokenizer.json", "manifest.json"})
        self.assertEqual(manifest["files"][2]["scores"], {"near": 0.9, "similar": 0.8})
        self.assertEqual(manifest["version"], "2030-01-02.2")
        (self.artifacts / "ner_int8.onnx").write_text("changed")
        self.refused("ner_int8.onnx: differs")

    def test_line_breaks_follow_the_tokenizer(self):
        self.assertIs(self.install()["ner"]["line_breaks"], True)
        self.exported(line_breaks=False)
        self.assertIs(self.install()["ner"]["line_breaks"], False)

    def test_the_second_time_nothing_changes(self):
        self.install(together=0.01)
        before = self.state()
        self.install(DAY + datetime.timedelta(1))
        self.assertEqual(self.state(), before)

    def test_versions_count_within_a_day(self):
        self.install()
        self.exported("better")
        self.assertEqual(self.install(together=0.3)["version"], "2030-01-02.2")
        self.exported("best")
        manifest = self.install(DAY + datetime.timedelta(1))
        self.assertEqual(manifest["version"], "2030-01-03.1")
        # Another file's figures are not inherited.
        self.assertEqual(manifest["files"][2]["scores"], {"alone": 0.2})
        # A figure alone is no new version.
        self.assertEqual(self.install(DAY + datetime.timedelta(2), together=0.1)["version"], "2030-01-03.1")

    def test_a_changed_export_is_refused(self):
        for name in ("ner_int8.onnx", "tokenizer_ner.json"):
            self.exported()
            path = self.export / name
            path.write_text(path.read_text().swapcase())
            self.refused(f"{name}: differs")
            path.unlink()
            self.refused(f"{name}: missing")

    def test_a_changed_embedding_file_is_refused(self):
        (self.artifacts / "shared.onnx").write_text("Shared.onnx")
        self.refused("shared.onnx: differs")

    def test_too_much_together_is_refused(self):
        limit = install.LIMIT
        self.addCleanup(setattr, install, "LIMIT", limit)
        install.LIMIT = 1
        self.refused("bytes together")
        self.assertEqual(limit, 80_000_000)

    def test_names_stay_within_the_folder(self):
        path = self.export / "manifest-ner.json"
        exported = json.loads(path.read_text(encoding="utf-8"))
        exported["files"][0]["file"] = "../ner_int8.onnx"
        write(path, exported)
        self.refused("plain file name")

    def test_an_installation_broken_off_is_mended(self):
        # The tokenizer was overwritten, the manifest not yet.
        (self.artifacts / "tokenizer_ner.json").write_text("half")
        manifest = self.install()
        for file in manifest["files"]:
            install.check(self.artifacts, file)


if __name__ == "__main__":
    unittest.main()
