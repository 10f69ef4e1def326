"""The plays of clusters, from the introduction to the verdict, with the nodes' own traces of them."""

from __future__ import annotations

import logging
from contextlib import ExitStack

import msgspec

from tenure import trace
from tenure.audit.verdict import in_words
from tenure.demo import picture
from tenure.demo.cluster.links import Links
from tenure.demo.cluster.script import NAMES, ClusterScript, Members
from tenure.demo.findings import Findings, judge
from tenure.demo.house import ending_on_signals, open_stage
from tenure.demo.narrator import Narrator
from tenure.demo.stage import ShowStopped
from tenure.errors import BackendRefused
from tenure.runtime.joining import join
from tenure.simulator import replay

_INTRODUCTION = (
    "Three processes, and no server beside them: each is a node of a cluster that elects by Raft, and a candidate for "
    "the one job of booking payments. On one host the leader is killed and frozen, and every node is restarted; then, "
    "by TCP, it is killed and cut off from the others. These are real processes, sockets, disks and signals."
)
_NEXT = ("tenure cluster up 3", "tenure simulate --algorithm raft --fault partition --picture run.html")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One play: what the audit found, and the checkers that judge simulated runs object to what the nodes saw."""

    findings: Findings
    objections: tuple[str, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Of both plays; `failure` says what did not happen as it should, or is empty."""

    parts: tuple[Part, ...]
    failure: str

    @property
    def is_success(self) -> bool:
        return not self.failure


def show(narrator: Narrator, *, unicode: bool) -> tuple[Outcome, list[trace.Trace]]:
    """Play and tell about it; nothing is left behind. What came out, and what the nodes saw in each play.

    Takes about half a minute.
    """
    logging.getLogger("tenure").addHandler(logging.NullHandler())  # what is worth saying here, the narrator says
    narrator.line(narrator.styled("tenure demo: processes that are their own cluster", bold=True))
    narrator.line()
    narrator.paragraph(_INTRODUCTION)
    parts: list[Part] = []
    traces: list[trace.Trace] = []
    try:
        with ending_on_signals():
            for can_part in (False, True):
                part, recorded = _play(narrator, can_part=can_part)
                parts.append(part)
                traces.append(recorded)
    except BrokenPipeError:
        raise  # nobody reads any more: an affair of the command line, not of the demonstration
    except (ShowStopped, BackendRefused, trace.TraceError, OSError) as error:
        failure = f"the demonstration could not be played to its end: {error}"
        return Outcome(parts=tuple(parts), failure=failure), traces
    _conclude(narrator, parts, unicode=unicode)
    return Outcome(parts=tuple(parts), failure=_failure_of(parts)), traces


def _play(narrator: Narrator, *, can_part: bool) -> tuple[Part, trace.Trace]:
    with open_stage() as stage, ExitStack() as ending:
        members = Members(stage, ending.enter_context(Links(NAMES)) if can_part else None)
        narrator.heading(members.title)
        script = ClusterScript(members, narrator)
        script.play()
        recorded = join([trace.read(file) for file in members.trace_files()])
        objections = tuple(f"{one.checker}: {one.text}" for one in replay.judge(recorded))
        return Part(findings=judge(script), objections=objections), recorded


def _conclude(narrator: Narrator, parts: list[Part], *, unicode: bool) -> None:
    narrator.heading("Who led when, with which token")
    for part in parts:
        narrator.line()
        narrator.line(f"  {part.findings.title}")
        for line in picture.strip_of(part.findings, unicode=unicode):
            narrator.line(line)
    narrator.heading("Until the next leader worked")
    narrator.line()
    for part in parts:
        for change in part.findings.take_overs:
            narrator.line(f"  {part.findings.title:<40} {change.accident:<10} {in_words(change.after_ns)}")
    narrator.heading("The audit's verdict")
    for part in parts:
        findings = part.findings
        narrator.line()
        state, colour = ("clean", "green") if findings.is_clean else ("damaged", "red")
        narrator.line(narrator.styled(f"{findings.title}: {state}", fg=colour))
        said = "no objection" if not part.objections else "; ".join(part.objections)
        traces = f"What the nodes saw, judged as simulated runs are: {said}."
        narrator.paragraph(" ".join([*findings.verdict.in_words(most=3), picture.books_in_words(findings), traces]))
    narrator.line()
    narrator.paragraph(
        "Truth to tell: on one host the kernel vouches for a death, so nobody waits for a killed leader's tenure to "
        "run out. Over a network nobody can tell a dead leader from one that is cut off, and all wait."
    )
    narrator.heading("Now you")
    for command in _NEXT:
        narrator.line(f"  {command}")


def _failure_of(parts: list[Part]) -> str:
    if not all(part.findings.is_clean for part in parts):
        return "tenure's own ledger is not clean: this is a defect, please report it with the text above"
    objections = [objection for part in parts for objection in part.objections]
    if objections:
        return f"the checkers object: this is a defect, please report it with the text above ({objections[0]})"
    return ""
