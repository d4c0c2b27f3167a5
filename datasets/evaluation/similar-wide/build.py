#!/usr/bin/env python3
"""Build corpus.jsonl, queries.jsonl, qrels.tsv from src/ (standard library). Run in this folder.

src/corpus*.txt   "# LETTER type", then "KEY<TAB>text"; src/ext.txt "KEY<TAB>text to append"
src/queries.txt   "QID<TAB>text", then lines "GRADE KEY KEY ..."
Document ids are shuffled with a fixed seed, so that neither the id nor the order tells the type.
src/key.tsv maps ids back to keys.
"""
import glob, json, os, random

docs, kind, types = {}, "", {}
for path in sorted(glob.glob("src/corpus*.txt")):
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("# "):
            kind = line[2:].split(" ", 1)[1]
        elif line.strip():
            key, text = line.split("\t")
            assert key not in docs, key
            docs[key], types[key] = text, kind
if os.path.exists("src/ext.txt"):
    for line in open("src/ext.txt", encoding="utf-8"):
        if line.strip():
            key, text = line.rstrip("\n").split("\t")
            docs[key] += text
assert len(set(docs.values())) == len(docs)
keys = sorted(docs)
random.Random(41).shuffle(keys)
ids = {k: f"s{i:03d}" for i, k in enumerate(keys, 1)}
with open("corpus.jsonl", "w", encoding="utf-8") as f, open("src/key.tsv", "w", encoding="utf-8") as m:
    for k in keys:
        f.write(json.dumps({"id": ids[k], "text": docs[k], "type": types[k]}, ensure_ascii=False) + "\n")
        m.write(f"{ids[k]}\t{k}\n")
with open("queries.jsonl", "w", encoding="utf-8") as fq, open("qrels.tsv", "w", encoding="utf-8") as fr:
    qid, seen = None, set()
    for line in open("src/queries.txt", encoding="utf-8"):
        line = line.rstrip("\n")
        if "\t" in line:
            qid, text = line.split("\t")
            seen = set()
            fq.write(json.dumps({"id": qid, "text": text}, ensure_ascii=False) + "\n")
        elif line.strip():
            grade, *ks = line.split()
            for k in ks:
                assert k in ids and k not in seen, (qid, k)
                seen.add(k)
                fr.write(f"{qid}\t{ids[k]}\t{grade}\n")
n = sorted(len(t) for t in docs.values())
print(len(docs), "documents,", n[0], "to", n[-1], "characters, median", n[len(n) // 2])
