"""The end of the demonstration as text: a strip of tenures for each side, and the two side by side."""

from __future__ import annotations

from collections.abc import Callable

from tenure.audit import Tenancy
from tenure.audit.verdict import in_words
from tenure.demo.findings import Findings
from tenure.demo.narrator import WIDTH
from tenure.demo.sides import WRAPPED
from tenure.render.strip import Bar, Note, Refusal, Span, Strip

_COLUMNS = (28, 24)


def strip_of(findings: Findings, *, unicode: bool) -> list[str]:
    """The tenures of one side, with a legend below."""
    verdict, pause, refusal = findings.verdict, findings.pause, findings.refusal
    strip = Strip(
        [_bar(tenure, findings.killed_pids) for tenure in verdict.tenures],
        pauses=[] if pause is None else [Span(from_ns=pause.from_ns, to_ns=pause.to_ns, lane=pause.candidate)],
        overlaps=[Span(from_ns=overlap.from_ns, to_ns=overlap.to_ns) for overlap in verdict.overlaps],
        gaps=[Note(at_ns=gap.after.opened_ns, text=in_words(gap.most_ns)) for gap in verdict.gaps],
        refusals=[] if refusal is None else [Refusal(lane=refusal.candidate, at_ns=refusal.at_ns)],
        width=WIDTH,
        unicode=unicode,
    )
    return [*strip.lines(), f"  {strip.legend()}"]


def comparison(ours: Findings, leased: Findings, theirs: Findings) -> list[str]:
    """A table: what each side is asked, and what they answer; `leased` where the other one of ours keeps its leader."""
    rows = [("", "tenure", "time-out lock")]
    rows += [(question, answer(ours), answer(theirs)) for question, answer in _QUESTIONS]
    rows.append(("  with a lease", _when_paused(leased), ""))
    rows.append(("  its write, when it wakes", _late_write(leased), "booked twice"))
    lines = ["".join((f"{row[0]:<{_COLUMNS[0]}}", f"{row[1]:<{_COLUMNS[1]}}", row[2])).rstrip() for row in rows]
    return lines + (["* with the start of its job, a new interpreter"] if any("*" in line for line in lines) else [])


def books_in_words(findings: Findings) -> str:
    """Whether the books are right, and what is wrong with them."""
    state = findings.books
    if state.is_right:
        return f"The books are right: {state.bookings} payments, each booked once; the balance is their sum."
    return (
        f"The books are wrong: {state.booked_twice} of {state.bookings} payments were booked a second time, and "
        f"{state.lost} of {state.paid} paid is missing from the balance."
    )


def _bar(tenure: Tenancy, killed_pids: tuple[int, ...]) -> Bar:
    return Bar(
        lane=tenure.candidate,
        from_ns=tenure.opened_ns,
        to_ns=tenure.held_ns if tenure.over_ns is None else tenure.over_ns,
        label=str(tenure.token) if tenure.token else "",
        ending="killed" if tenure.pid in killed_pids else tenure.how,
    )


def _tokens(findings: Findings) -> str:
    tokens = [tenure.token for tenure in findings.verdict.tenures]
    return "none" if not all(tokens) else " < ".join(map(str, tokens))


def _at_once(findings: Findings) -> str:
    overlaps = findings.verdict.overlaps
    together_ns = sum(overlap.to_ns - overlap.from_ns for overlap in overlaps)
    return f"{in_words(together_ns)}, {_times(len(overlaps))}" if overlaps else "never"


def _after(accident: str) -> Callable[[Findings], str]:
    def answer(findings: Findings) -> str:
        change = next((one for one in findings.take_overs if one.accident == accident), None)
        if change is None:
            return ""
        if change.elected_after_ns is not None:
            job_ns = change.after_ns - change.elected_after_ns
            return f"{in_words(change.elected_after_ns)} + {in_words(job_ns)}*"
        started = "*" if change.by == WRAPPED else ""
        return in_words(change.after_ns) + started + (", job lived on" if change.job_lived_on else "")

    return answer


def _when_paused(findings: Findings) -> str:
    assert findings.pause is not None, "in this play the leader is paused"
    replaced_ns = findings.pause.replaced_after_ns
    if replaced_ns is None:
        return f"waits ({in_words(findings.pause.idle_ns)})"
    return f"the next after {in_words(replaced_ns)}" if findings.refusal is not None else "a second leader"


def _late_write(findings: Findings) -> str:
    refusal = findings.refusal
    return "" if refusal is None else f"refused: token {refusal.token} is old"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


_QUESTIONS: tuple[tuple[str, Callable[[Findings], str]], ...] = (
    ("two leaders at once", _at_once),
    ("fencing tokens", _tokens),
    ("payments booked", lambda findings: str(findings.books.bookings)),
    ("  of them booked twice", lambda findings: str(findings.books.booked_twice)),
    ("  lost from the balance", lambda findings: f"{findings.books.lost} of {findings.books.paid}"),
    ("next leader after a kill", _after("killed")),
    ("  after a resignation", _after("resigned")),
    ("  after the wrapper's kill", _after("wrapper killed")),
    ("while its leader is paused", _when_paused),
)
