"""An exported model becomes the shipped one.

    python install.py --run NAME [--artifacts DIR] [--score 'NAME=VALUE' …]

Copies the files of runs/NAME/export into DIR (models/artifacts) and merges its manifest-ner.json or
manifest-embedding.json into DIR/manifest.json: the other half stays as it is. What neither half uses
any more is removed. Refused, with nothing changed: a file that differs from its hash, or more than
80 MB together. Run twice it changes nothing; the manifest is written last, so that an
installation broken off in the middle is refused by the runtime and mended by running this again.

Standard library only.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from storage import REPOSITORY, sha256, train_dir

ARTIFACTS = REPOSITORY / "models/artifacts"
LIMIT = 80_000_000
LINE_BREAK = "\ue00a"
"""The piece of a line break, as in base.py and models/src/ner.rs."""


class Refused(Exception):
    """Nothing was changed."""


def check(folder: Path, entry: Mapping) -> None:
    name = entry["file"]
    path = folder / name
    if Path(name).name != name:
        raise Refused(f"{name}: not a plain file name")
    if not path.is_file():
        raise Refused(f"{path}: missing")
    if path.stat().st_size != entry["bytes"] or sha256(path) != entry["sha256"].lower():
        raise Refused(f"{path}: differs from the size or SHA-256 in its manifest")


def knows_line_breaks(tokenizer: Path) -> bool:
    """By its normaliser: the piece itself is in the vocabulary of the base anyway."""
    steps = (json.loads(tokenizer.read_text(encoding="utf-8"))["normalizer"] or {}).get("normalizers", [])
    return any(step["type"] == "Replace" and step["content"] == LINE_BREAK for step in steps)


def next_version(previous: str, today: datetime.date) -> str:
    """2026-11-22.1, 2026-11-22.2 …: stored vectors and suggestions name it."""
    match = re.fullmatch(rf"{today}\.(\d+)", previous)
    return f"{today}.{int(match[1]) + 1 if match else 1}"


HALVES = {"ner": "manifest-ner.json", "embedding": "manifest-embedding.json"}


def exported_half(export: Path) -> tuple[str, dict]:
    """Which half an export replaces, and its manifest."""
    found = [(half, export / name) for half, name in HALVES.items() if (export / name).is_file()]
    if len(found) != 1:
        raise Refused(f"{export}: one of {', '.join(HALVES.values())} is expected")
    half, path = found[0]
    return half, json.loads(path.read_text(encoding="utf-8"))


def merge(installed: Mapping, exported: Mapping, half: str, scores: Mapping[str, float]) -> dict:
    """The new manifest, still with the old version."""
    other = next(name for name in HALVES if name != half)
    old = {entry["file"]: entry for entry in installed["files"]}
    new = {entry["file"]: dict(entry) for entry in exported["files"]}
    model, tokenizer = exported[half]["model"], exported[half]["tokenizer"]
    for name in (model, tokenizer):
        if name not in new:
            raise Refused(f"{name}: used, but not among the exported files")
    kept = dict.fromkeys((installed[other]["model"], installed[other]["tokenizer"]))
    for name in kept:
        if name in new:
            raise Refused(f"{name}: a file of the half that stays would be overwritten")
        if name not in old:
            raise Refused(f"{name}: not in the installed manifest")
    files = []
    for name in kept:
        # What the new half does from now on is no figure of the old file any more.
        gone = "masking" if half == "ner" else ("similar", "resources")
        figures = {key: value for key, value in old[name].get("scores", {}).items() if not key.startswith(gone)}
        files.append({**old[name], "scores": figures})
    for name in dict.fromkeys((model, tokenizer)):
        entry = new[name]
        before = old.get(name, {})
        # Figures measured after an earlier installation of the same file stay.
        known = before.get("scores", {}) if before.get("sha256") == entry["sha256"] else {}
        entry["scores"] = {**known, **entry["scores"], **(scores if name == model else {})}
        files.append(entry)
    halves = {other: installed[other], half: exported[half]}
    return {"version": installed["version"], "files": files, "ner": halves["ner"], "embedding": halves["embedding"]}


def put(source: Path, target: Path) -> None:
    """Never half a file under its own name."""
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    os.replace(part, target)


def install(export: Path, artifacts: Path, scores: Mapping[str, float], today: datetime.date) -> dict:
    """Returns the manifest that is in `artifacts` afterwards."""
    path = artifacts / "manifest.json"
    installed = json.loads(path.read_text(encoding="utf-8"))
    half, exported = exported_half(export)
    for entry in exported["files"]:
        check(export, entry)
    if half == "ner":
        exported["ner"]["line_breaks"] = knows_line_breaks(export / exported["ner"]["tokenizer"])
    manifest = merge(installed, exported, half, scores)
    names = {entry["file"] for entry in manifest["files"]}
    new = {entry["file"] for entry in exported["files"]}
    for entry in manifest["files"]:
        if entry["file"] not in new:
            check(artifacts, entry)
    total = sum(entry["bytes"] for entry in manifest["files"])
    if total > LIMIT:
        raise Refused(f"{total:,} bytes together, {LIMIT:,} allowed")

    def contents(of: Mapping) -> tuple:
        return sorted((e["file"], e["sha256"]) for e in of["files"]), of["ner"], of["embedding"]

    # Figures alone make no new version: what was stored under it stays comparable.
    if contents(manifest) != contents(installed):
        manifest["version"] = next_version(installed["version"], today)
    for entry in exported["files"]:
        name = entry["file"]
        target = artifacts / name
        if name in names and not (target.is_file() and sha256(target) == entry["sha256"]):
            put(export / name, target)
    text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
    if text != path.read_text(encoding="utf-8"):
        part = path.with_name(".manifest.json.part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    for entry in installed["files"]:
        if entry["file"] not in names:
            (artifacts / Path(entry["file"]).name).unlink(missing_ok=True)
    return manifest


def named_value(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    if not equals:
        raise argparse.ArgumentTypeError("NAME=VALUE")
    return name.strip(), float(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True)
    parser.add_argument("--artifacts", type=Path, default=ARTIFACTS, metavar="DIR")
    parser.add_argument(
        "--score", type=named_value, action="append", default=[], metavar="NAME=VALUE",
        help="a figure measured with the whole pipeline, for the manifest",
    )
    arguments = parser.parse_args()
    export = train_dir() / "runs" / arguments.run / "export"
    try:
        manifest = install(export, arguments.artifacts, dict(arguments.score), datetime.date.today())
    except (Refused, OSError, KeyError, json.JSONDecodeError) as error:
        raise SystemExit(f"refused: {error!r}" if isinstance(error, KeyError) else f"refused: {error}") from None
    total = sum(entry["bytes"] for entry in manifest["files"])
    print(f"{arguments.artifacts}: version {manifest['version']}, {total:,} bytes in {len(manifest['files'])} files")
    print("Now: figures into models/MODEL_CARD.md, `cargo test -p models -p masking`, `musubi doctor`.")


if __name__ == "__main__":
    main()
