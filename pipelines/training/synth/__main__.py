"""python -m synth --count 2000 --seed 7 --out corpus.jsonl [--genre mail] [--stats] [--show 5]"""

import argparse
import json
import sys
import time
from collections import Counter

from . import grammar
from .generate import make


def marked(document: dict) -> str:
    """Text with [surface|LABEL] for reading."""
    out, at = [], 0
    for s in document["spans"]:
        out += [document["text"][at:s["start"]], "[", document["text"][s["start"]:s["end"]], "|", s["label"][:4], "]"]
        at = s["end"]
    return "".join(out) + document["text"][at:]


def main() -> None:
    parser = argparse.ArgumentParser(prog="synth", description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first document")
    parser.add_argument("--out", help="JSONL file; standard output when absent")
    parser.add_argument("--genre", choices=grammar.genres(), help="only this genre")
    parser.add_argument("--stats", action="store_true", help="counts of genres, labels and forms on standard error")
    parser.add_argument("--show", action="store_true", help="print marked-up text instead of JSON")
    args = parser.parse_args()
    started = time.monotonic()
    labels, forms, genres, characters = Counter(), Counter(), Counter(), 0
    out = open(args.out, "w", encoding="utf-8") if args.out else sys.stdout
    for number in range(args.first, args.first + args.count):
        document = make(args.seed, number, args.genre)
        document.pop("traps")
        if args.show:
            out.write(f"--- {document['id']} {document['genre']}\n{marked(document)}\n")
        else:
            out.write(json.dumps(document, ensure_ascii=False) + "\n")
        if args.stats:
            genres[document["genre"]] += 1
            characters += len(document["text"])
            labels.update(s["label"] for s in document["spans"])
            forms.update(f"{s['label']}.{s['form']}" for s in document["spans"])
    if args.out:
        out.close()
    if args.stats:
        took = time.monotonic() - started
        print(f"{args.count} documents, {characters} characters, {took:.1f} s ({args.count / took * 60:.0f} per minute)", file=sys.stderr)
        for title, counter in (("genre", genres), ("label", labels), ("form", forms)):
            for key, n in counter.most_common():
                print(f"{title}\t{key}\t{n}", file=sys.stderr)


if __name__ == "__main__":
    main()
