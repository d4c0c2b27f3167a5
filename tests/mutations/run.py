#!/usr/bin/env python3
"""Removes one check of the collaboration engine after the other and asks whether a test notices.

    run.py [--plans N] [--only PATTERN] [--part K/N] [--hangs SECONDS] [--fit]

Every entry of mutations.toml replaces one piece of source (it must stand there exactly once) in a
copy of the workspace; then the tests of `collab` run, with a short set of random plans, until one of
them fails or hangs: then it is caught. `--fit` only looks whether every entry still fits.

Exit 0: all caught, 1: one survived, 2: an entry does not fit the source, does not compile, or the
tests fail without any mutation.
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


def copy_tree():
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    names = ["Cargo.toml", "Cargo.lock", "clippy.toml", "server", "models", "pipelines", "tests", "datasets", "web"]
    for name in names:
        if (ROOT / name).exists():
            (TREE / name).symlink_to(ROOT / name)
    # New times of change: cargo must not take the last mutation for this source.
    shutil.copytree(ROOT / COPIED, TREE / COPIED, copy_function=shutil.copy)


# Groups of tests, the likeliest to notice first; a name is a filter of the test binary.
WALKER = ["walker::", "structs::", "order::", "vectors::"]
NODES = ["nodes::"]
PAST = ["history::", "restore::"]
REST = ["converge::", "anchors::", "measure::"]
LIB, PEERS, ROOMS = ["--lib"], ["peers::"], ["rooms::"]
GROUPS = {
    "collab/src/walker.rs": [WALKER, PEERS, ROOMS, LIB, PAST, NODES, REST],
    "collab/src/update.rs": [WALKER, PEERS, ROOMS, LIB, PAST, NODES, REST],
    "collab/src/presence.rs": [LIB, NODES, PEERS, ROOMS, PAST, WALKER, REST],
    "collab/src/bus.rs": [LIB, NODES, PEERS, ROOMS, PAST, WALKER, REST],
    "collab/src/erasure.rs": [LIB, PAST, PEERS, ROOMS, NODES, WALKER, REST],
    "collab/src/restore.rs": [PAST, LIB, PEERS, ROOMS, NODES, WALKER, REST],
    "collab/src/anchor.rs": [REST, LIB, PEERS, ROOMS, NODES, PAST, WALKER],
    "collab/src/room/abroad.rs": [NODES, PEERS, ROOMS, LIB, PAST, WALKER, REST],
    "collab/src/room/catch_up.rs": [NODES, PEERS, ROOMS, LIB, PAST, WALKER, REST],
}
OTHERWISE = [ROOMS, PEERS, LIB, NODES, PAST, REST, WALKER]


def cargo(arguments, plans, limit):
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(WORK / "target"),
        "CARGO_PROFILE_DEV_DEBUG": "none",
        "CARGO_INCREMENTAL": "1",
        "CARGO_TERM_COLOR": "never",
        "PEER_PLANS": str(plans),
        "RUST_BACKTRACE": "0",
    }
    started = subprocess.Popen(
        ["cargo", "test", "--offline", "-q", "-p", "collab", *arguments],
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


def test(groups, plans, hangs):
    """What the first group of tests that fails says; None when none does."""
    for group in groups:
        if group == ["--lib"]:
            arguments = ["--lib"]
        else:
            arguments = ["--test", "it", "--", *group]
        code, output = cargo(arguments, plans, hangs)
        if code is None:
            return f"{group[0]} a test hangs"
        if code != 0:
            found = list(dict.fromkeys(re.findall(r"^    ([\w:]+)$", output, re.MULTILINE)))
            plan = re.search(r"^plan \d+: (.*?)(?:; \d+ steps saved.*)?$", output, re.MULTILINE)
            if plan:
                return f"random plans: {plan.group(1)[:90]}"
            more = f" and {len(found) - 2} more" if len(found) > 2 else ""
            return (", ".join(found[:2]) + more) or output[-200:].replace("\n", " ")
    return None


def judge(mutation, plans, hangs):
    """What became of it, and which tests said so."""
    code, output = cargo(["--lib", "--test", "it", "--no-run"], plans, 900)
    if code != 0:
        print(output[-3000:])
        return "does not compile", ""
    told = test(GROUPS.get(mutation["file"], OTHERWISE), plans, hangs)
    return ("caught", told) if told else ("SURVIVED", "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", type=int, default=120)
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default="1/1", help="the K-th of N parts of the list")
    parser.add_argument("--hangs", type=int, default=120, help="seconds after which a group of tests hangs")
    parser.add_argument("--fit", action="store_true", help="only look whether every entry fits the source")
    options = parser.parse_args()
    mutations = tomllib.loads((HERE / "mutations.toml").read_text())["mutation"]
    copy_tree()
    unfit = 0
    for mutation in mutations:
        count = (TREE / mutation["file"]).read_text().count(mutation["old"])
        if count != 1:
            print(f"{mutation['name']}: stands {count} times in {mutation['file']}", file=sys.stderr)
            unfit += 1
    if unfit or options.fit:
        return 2 if unfit else 0
    part, parts = map(int, options.part.split("/"))
    mutations = [m for m in mutations if re.search(options.only, m["name"])]
    mutations = mutations[(part - 1) * len(mutations) // parts : part * len(mutations) // parts]
    code, output = cargo(["--lib", "--test", "it", "--no-run"], options.plans, 900)
    told = output[-2000:] if code else test(OTHERWISE, options.plans, options.hangs)
    if told:
        print(f"the tests fail without any mutation: {told}", file=sys.stderr)
        return 2
    results = []
    for mutation in mutations:
        began = time.monotonic()
        path = TREE / mutation["file"]
        source = path.read_text()
        path.write_text(source.replace(mutation["old"], mutation["new"]))
        outcome, told = judge(mutation, options.plans, options.hangs)
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
