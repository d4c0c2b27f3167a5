#!/usr/bin/env python3
"""Build entries.jsonl, queries.jsonl, qrels.tsv from src/ (standard library). Run in this folder.

src/entries.txt   "key|name|kind|fields|eligibility|detail|area|contact|updated"
src/queries.txt   "QID<TAB>text", then lines "GRADE KEY KEY ..."
Ids are shuffled with a fixed seed; src/key.tsv maps ids back to keys.
"""
import json, random

cols = "name kind fields eligibility detail area contact updated".split()
rows = {}
for line in open("src/entries.txt", encoding="utf-8"):
    if line.strip() and not line.startswith("#"):
        key, *v = line.rstrip("\n").split("|")
        assert len(v) == len(cols) and key not in rows, key
        rows[key] = dict(zip(cols, v))
        rows[key]["fields"] = rows[key]["fields"].split(",")
keys = sorted(rows)
random.Random(43).shuffle(keys)
ids = {k: f"r{i:03d}" for i, k in enumerate(keys, 1)}
with open("entries.jsonl", "w", encoding="utf-8") as f, open("src/key.tsv", "w", encoding="utf-8") as m:
    for k in keys:
        f.write(json.dumps({"id": ids[k], **rows[k]}, ensure_ascii=False) + "\n")
        m.write(f"{ids[k]}\t{k}\n")
used = set()
with open("queries.jsonl", "w", encoding="utf-8") as fq, open("qrels.tsv", "w", encoding="utf-8") as fr:
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
                used.add(k)
                fr.write(f"{qid}\t{ids[k]}\t{grade}\n")
print(len(keys), "entries; never judged:", " ".join(k for k in keys if k not in used))
