"""Record behaviours of `raft_replayed` for tests/algorithms/raft: `python -m specs.record FILE`.

TLC draws behaviours at random, by a fixed seed. Each is kept up to where the log, which the specification leaves out,
would decide; of all those in which most happens. Any other difference ends the recording with an error.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from specs.check import tlc
from tests.algorithms.raft.replay import replay

DRAWN, STEPS, SEED, KEPT = 500, 50, 1, 36
NODES = {"a": 1, "b": 2, "c": 3, "None": None}
TOKENS = re.compile(r'"\w+"|\w+|<<|>>|\|->|:>|@@|[\[\]{}(),]')
OPENERS = {"[": "]", "{": "}", "<<": ">>", "(": ")"}


def value(tokens: list[str]) -> Any:
    """Take one value off the front of TLC's text; sets become lists, and functions and records dicts."""
    token = tokens.pop(0)
    if token not in OPENERS:
        known: dict[str, Any] = {"TRUE": True, "FALSE": False, **NODES}
        return token[1:-1] if token[0] == '"' else known[token] if token in known else int(token)
    listed: list[Any] = []
    mapped: dict[Any, Any] = {}
    while tokens[0] != OPENERS[token]:
        if tokens[0] in {",", "@@"}:
            tokens.pop(0)
        elif len(tokens) > 1 and tokens[1] in {"|->", ":>"}:
            name = tokens.pop(0)
            tokens.pop(0)
            mapped[NODES.get(name, name)] = value(tokens)
        else:
            listed.append(value(tokens))
    tokens.pop(0)
    return listed if token in {"{", "<<"} else mapped


def states(text: str) -> list[dict[str, Any]]:
    """The variables in each state of a behaviour that TLC wrote."""
    found = []
    for state in re.split(r"^STATE_\d+ == *$", text, flags=re.MULTILINE)[1:]:
        pieces = re.findall(r"^/\\ (\w+) = (.*?)(?=^/\\ |^=|\Z)", state, re.MULTILINE | re.DOTALL)
        found.append({name: value(TOKENS.findall(said)) for name, said in pieces})
    return found


def recorded(text: str) -> list[dict[str, Any]]:
    """What was done in each step, and of each node what is seen then if it is news; a tick says by how much each clock
    went on.
    """
    steps = []
    before: dict[int, Any] = {}
    for state in states(text):
        did, seen = state["did"], state["seen"]
        told = ["Tick", *(did[1][node] for node in (1, 2, 3))] if did[0] == "Tick" else did
        steps.append({"did": told, "seen": {str(node): now for node, now in seen.items() if now != before.get(node)}})
        before = seen
    return steps


def eventfulness(steps: list[dict[str, Any]]) -> int:
    """How many kinds of step there are, how often a node is seen with a tenure, and how high terms get."""
    seen = [node for step in steps for node in step["seen"].values()]
    tenures = sum(bool(node[5]) for node in seen)
    return len({step["did"][0] for step in steps}) + 3 * tenures + max(int(node[1]) for node in seen)


def main(target: Path) -> int:
    """Draw, choose and write, one behaviour a line."""
    followed, decided = [], 0
    with tempfile.TemporaryDirectory() as folder:
        drawing = ("-simulate", f"file={folder}/behaviour,num={DRAWN}", "-depth", str(STEPS), "-seed", str(SEED))
        tlc("raft_replayed", "replayed", "-workers", "1", *drawing, limit_s=1800)
        for path in sorted(Path(folder).iterdir()):
            steps = recorded(path.read_text())
            length = replay(steps)
            decided += length < len(steps)
            followed.append(steps[:length])
    kept = sorted(followed, key=eventfulness, reverse=True)[:KEPT]
    target.write_text("".join(json.dumps(steps, separators=(",", ":")) + "\n" for steps in kept))
    sys.stdout.write(f"{DRAWN} drawn; {decided} end early, where the log decides; {len(kept)} are kept\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
