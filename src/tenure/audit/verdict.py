"""The judgement: as data, and in words."""

from __future__ import annotations

import msgspec

from tenure.audit.records import NO_TOKEN
from tenure.durations import NS_PER_S

_NS_PER_MS = 1_000_000
# Two or three digits that mean something; more would feign precision. The first whose limit lies above is taken.
_FORMS = ((0.9995e6, "{:.3f} ms", _NS_PER_MS), (99.95e6, "{:.1f} ms", _NS_PER_MS), (999.5e6, "{:.0f} ms", _NS_PER_MS),
          (9.995e9, "{:.2f} s", NS_PER_S), (float("inf"), "{:.1f} s", NS_PER_S))  # fmt: skip  # a table of limits


def in_words(duration_ns: int) -> str:
    """A duration for people: "0.412 ms", "3.1 ms", "417 ms", "1.90 s", "24.3 s"."""
    return next(form.format(duration_ns / unit_ns) for limit_ns, form, unit_ns in _FORMS if duration_ns < limit_ns)


class Tenancy(msgspec.Struct, frozen=True, kw_only=True):
    """One tenure as the records prove it: valid in [opened_ns, held_ns), over from over_ns on, unknown in between."""

    election: str
    token: int
    candidate: str
    pid: int
    opened_ns: int
    held_ns: int
    """Certainly valid until here; the same as `opened_ns` where it was not valid even then."""
    over_ns: int | None
    """Certainly over from here; None where nothing was seen that ended it."""
    how: str
    """What ended it: a reason, "finished", "killed", "deadline", or "" where nothing was seen."""
    acts: int

    def __str__(self) -> str:
        return f"{self.candidate} (token {self.token})" if self.token != NO_TOKEN else self.candidate


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Two tenures were both valid in [from_ns, to_ns): certain, and perhaps longer than that."""

    first: Tenancy
    second: Tenancy
    from_ns: int
    to_ns: int

    def __str__(self) -> str:
        lasted = in_words(self.to_ns - self.from_ns)
        return f"{self.first} and {self.second} led {self.first.election} at once, for at least {lasted}"


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """`second` began while nobody can tell whether `first` was still valid, for `for_ns` (None: nobody saw it end)."""

    first: Tenancy
    second: Tenancy
    for_ns: int | None

    def __str__(self) -> str:
        if self.for_ns is None:
            return f"nobody saw {self.first} end, and {self.second} began"
        return (
            f"{self.first} was seen to be over only {in_words(self.for_ns)} after {self.second} began, without a sign "
            f"of life in between"
        )


class TokenFault(msgspec.Struct, frozen=True, kw_only=True):
    """`later` got a token that is not above that of `earlier`."""

    earlier: Tenancy
    later: Tenancy

    def __str__(self) -> str:
        return f"the token did not grow: {self.later} came after {self.earlier}"


class StaleAct(msgspec.Struct, frozen=True, kw_only=True):
    """`by` acted although it should not have: after a newer leader had acted (`after`), or after its own end."""

    act: str
    by: Tenancy
    late_ns: int
    """How long after the newer leader's act, or after the end, it began."""
    after: Tenancy | None = None
    because: str = ""

    def __str__(self) -> str:
        if self.after is not None:
            return f"{self.by} did {self.act!r} {in_words(self.late_ns)} after {self.after}, which is newer, had acted"
        return f"{self.by} did {self.act!r} {in_words(self.late_ns)} after {self.because}"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody led from the end of `before` to the beginning of `after`: between `least_ns` and `most_ns` long."""

    before: Tenancy
    after: Tenancy
    least_ns: int
    most_ns: int

    def __str__(self) -> str:
        return f"{in_words(self.most_ns)} from {self.before} to {self.after}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found. The first five must be empty for a clean one; the others are no faults."""

    overlaps: tuple[Overlap, ...]
    token_faults: tuple[TokenFault, ...]
    stale_acts: tuple[StaleAct, ...]
    contradictions: tuple[str, ...]
    """What cannot be true: records of a tenure that was never opened, or of a process that was seen dead."""
    tenures: tuple[Tenancy, ...]
    gaps: tuple[Gap, ...]
    doubts: tuple[Doubt, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is *certainly* wrong. An audit of no tenures at all is not clean: it has shown nothing."""
        return bool(self.tenures) and not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that is certainly wrong, in words."""
        found = (*self.overlaps, *self.token_faults, *self.stale_acts, *self.contradictions)
        return tuple(str(fault) for fault in found)

    def in_words(self, most: int = 5) -> list[str]:
        """Sentences: what was audited, each fault (the first `most` of them), and what is uncertain."""
        acts = sum(tenure.acts for tenure in self.tenures)
        sentences = [f"{_counted(len(self.tenures), 'tenure')}, {_counted(acts, 'act')}."]
        if not self.tenures:
            sentences = ["No tenure was recorded, so nothing is proved."]
        if self.is_clean:
            grew = all(tenure.token != NO_TOKEN for tenure in self.tenures)
            tokens = "; every token was greater than those before it" if grew else ""
            sentences.append(f"Never two leaders at once{tokens}; no act came too late.")
        sentences += [f"{fault}." for fault in self.faults[:most]]
        if len(self.faults) > most:
            sentences.append(f"And {len(self.faults) - most} more of this kind.")
        sentences += [f"Uncertain: {doubt}." for doubt in self.doubts[:most]]
        return sentences


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
