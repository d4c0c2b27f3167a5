#!/usr/bin/env python3
"""Removes one check of the collaboration engine after the other and asks whether a test notices.

    run.py [--plans N] [--only WORD]

Every entry of mutations.toml replaces one piece of source (it must stand there exactly once) in a
copy of the workspace; then the unit tests and a short set of random plans of `collab` run. A
mutation is caught when they fail or hang. Exit 0: all caught, 1: one survived, 2: an entry does not
fit the source, does not compile, or the tests fail without any mutation.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "mutations"
TREE = WORK / "tree"
# Copied, everything else is linked.
COPIED = "collab"
HANGS_AFTER = 240


def copy_tree():
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    names = ["Cargo.toml", "Cargo.lock", "clippy.toml", "server", "models", "pipelines", "tests", "datasets", "web"]
    for name in names:
        if (ROOT / name).exists():
            (TREE / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / COPIED, TREE / COPIED)


def cargo(arguments, plans, limit):
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(WORK / "target"),
        "PEER_PLANS": str(plans),
        "RUST_BACKTRACE": "0",
        "CARGO_TERM_COLOR": "never",
    }
    started = subprocess.Popen(
        ["cargo", "test", "--offline", "-q", "-p", "collab", "--lib", "--test", "it", *arguments],
        cwd=TREE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, text=True, errors="replace",
    )
    try:
        output, _ = started.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
        return None, ""
    return started.returncode, output


def failures(output):
    names = re.findall(r"^    ([\w:]+)$", output, re.MULTILINE)
    return list(dict.fromkeys(names))


def judge(name, plans):
    """What became of it, and which tests said so."""
    code, output = cargo(["--no-run"], plans, 600)
    if code != 0:
        print(output[-3000:])
        return "does not compile", ""
    code, output = cargo(["--", "--test-threads=4"], plans, HANGS_AFTER)
    if code is None:
        return "caught", "a test hangs"
    if code == 0:
        return "SURVIVED", ""
    found = failures(output)
    told = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return "caught", told or "the tests do not end well"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", type=int, default=120)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    mutations = tomllib.loads((HERE / "mutations.toml").read_text())["mutation"]
    copy_tree()
    unfit = 0
    for mutation in mutations:
        count = (TREE / mutation["file"]).read_text().count(mutation["old"])
        if count != 1:
            print(f"{mutation['name']}: stands {count} times in {mutation['file']}", file=sys.stderr)
            unfit += 1
    if unfit:
        return 2
    code, output = cargo(["--", "--test-threads=4"], options.plans, 900)
    if code != 0:
        print(output[-3000:], file=sys.stderr)
        print("the tests fail without any mutation", file=sys.stderr)
        return 2
    results = []
    for mutation in mutations:
        if options.only not in mutation["name"]:
            continue
        began = time.monotonic()
        path = TREE / mutation["file"]
        source = path.read_text()
        path.write_text(source.replace(mutation["old"], mutation["new"]))
        outcome, told = judge(mutation["name"], options.plans)
        path.write_text(source)
        results.append(outcome)
        print(f"| {mutation['name']} | {outcome} | {told} | {time.monotonic() - began:.0f} s |", flush=True)
    survived = results.count("SURVIVED")
    print(f"{len(results)} mutations, {results.count('caught')} caught, {survived} survived")
    if "does not compile" in results:
        return 2
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
