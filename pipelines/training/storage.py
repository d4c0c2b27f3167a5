"""Where things lie, and hashes of files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
DATASETS = REPOSITORY / "datasets"
PUBLIC_SETS = DATASETS / "ner"


def train_dir() -> Path:
    """Outside the work tree: `MUSUBI_TRAIN_DIR`, else ~/.cache/musubi-training."""
    folder = Path(os.environ.get("MUSUBI_TRAIN_DIR") or Path.home() / ".cache/musubi-training")
    folder.mkdir(parents=True, exist_ok=True)
    if folder.resolve().is_relative_to(REPOSITORY):
        raise SystemExit(f"MUSUBI_TRAIN_DIR must lie outside the repository: {folder}")
    return folder


def base_dir() -> Path:
    return train_dir() / "base"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_jsonl(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def write_jsonl(path: Path, rows: Iterator[dict]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
