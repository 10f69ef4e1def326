"""Promises of voters, the leader's lease that comes of them, and its tenure.

Ongaro 2014, section 6.4.1, has leases that rest on election time-outs. Here they rest on promises (C. G. Gray and
D. R. Cheriton, "Leases", SOSP 1989): each answer to a leader's word says that this voter elects nobody else for
`promise_ns` from when the word came. The leader counts from when it sent it, shorter by what clocks may differ, and by
majority of every configuration in force; so while its lease lasts there can be no other leader.

A tenure, the authority to act, lasts longer and is the same in kind: each voter notes until when the leader whose
word came may hold one. A vote says how much of that is left, and a new leader opens its own tenure only when the most
that its voters said has passed, and its first entry is committed, whose index is the token. Of two leaders in turn
some voter answered the one and then elected the other, in each configuration that counts; so no two tenures overlap,
and tokens grow, as indexes of committed entries do.
"""

from __future__ import annotations

from tenure.algorithms.raft.messages import Leadership
from tenure.algorithms.raft.state import Role, State
from tenure.core.effects import Authorised, Deposed
from tenure.durations import NEVER_NS


class Tenures(State):
    """What a voter promises and notes, and what a leader may do because of it."""

    promised_until_ns = 0
    """Until then this voter elects nobody, unless the leader itself gives way, or is dead for certain."""
    promised_to: Leadership | None = None
    """Whose word came last in this life."""
    tenure_until_ns = 0
    """Until then a tenure may last that this voter has heard of."""
    _before_ns = 0
    """Until then one may last of others than the one that it has promised to."""
    token = 0
    """Of a leader: the index of its first entry."""
    earlier_until_ns = NEVER_NS
    """Of a leader: when all tenures before its own are over."""
    opens_ns = NEVER_NS
    """Of a leader: when its own may open; never, once that has ended."""
    deadline_ns: int | None = None
    """Of its tenure, as last told; None while it has none."""
    beat_ns = 0
    """Of a leader: when the last heartbeats left."""

    @property
    def authority_ns(self) -> int:
        """Of the time of a tenure: it is extended with every heartbeat that moves its deadline by half of one."""
        return self.settings.usable_ns(self.settings.tenure_ns) - 2 * self.settings.heartbeat_ns

    # The voter

    def _bind(self, leadership: Leadership) -> None:
        """The first word of a leader in its term came: what may last until now is of others."""
        self.promised_to, self._before_ns = leadership, self.tenure_until_ns

    def _promise(self, now_ns: int) -> None:
        """For the word of a leader that just came; what was promised for longer stays promised."""
        self.promised_until_ns = max(self.promised_until_ns, now_ns + self._timing.promise_ns)
        self.tenure_until_ns = now_ns + self.settings.tenure_ns

    def _bound_until_ns(self) -> int:
        return self.promised_until_ns

    def _recall_promises(self, now_ns: int) -> None:
        """An earlier life may have promised just before it ended, and answered the last word of a leader."""
        self._promise(now_ns)

    def _left_ns(self, now_ns: int) -> int:
        """How long a tenure may last that this voter knows of."""
        return max(0, self.tenure_until_ns - now_ns)

    # The leader

    def _may_others_act(self, now_ns: int) -> bool:
        """Whether a tenure before this leader's own may still last."""
        return now_ns < self.earlier_until_ns

    def _acknowledged_ns(self) -> int | None:
        """The latest instant so that a majority of every configuration has answered words sent then or later; to itself
        a leader speaks when it speaks to all.
        """
        return self._reached(lambda peer: peer.acknowledged_ns, self.beat_ns)

    def _has_lease(self, now_ns: int) -> bool:
        """Whether nobody else can have been elected yet: a majority of every configuration has promised for longer."""
        own_ns = self.beat_ns + self.settings.usable_ns(self.settings.promise_ns)
        until_ns = self._reached(lambda peer: peer.promised_until_ns, own_ns)
        return until_ns is not None and now_ns < until_ns

    def _hold(self, now_ns: int) -> None:
        """Open the tenure when it is time, and extend it, but not for next to nothing."""
        if self.deadline_ns is None and (self.commit < self.token or now_ns < self.opens_ns):
            return
        usable_ns = self.settings.usable_ns(self.settings.tenure_ns)
        told_ns = now_ns if self.deadline_ns is None else self.deadline_ns + self.settings.heartbeat_ns // 2
        if now_ns + usable_ns <= told_ns:
            return  # whatever was answered, it was sent before
        since_ns = self._acknowledged_ns()
        if since_ns is None:
            return
        deadline_ns = since_ns + usable_ns
        if deadline_ns > told_ns:
            self.deadline_ns = deadline_ns
            self._effects.append(Authorised(self.token, deadline_ns))

    def _end_tenure(self, why: str) -> None:
        """It opens no other one in this term."""
        self.opens_ns = NEVER_NS
        if self.deadline_ns is not None:
            self.deadline_ns = None
            self._effects.append(Deposed(self.token, why))

    def _has_run_out(self, now_ns: int) -> bool:
        """Whether this leader's tenure has, though it may not have noticed yet."""
        return self.role is Role.LEADING and self.deadline_ns is not None and now_ns >= self.deadline_ns

    def _expire(self, now_ns: int) -> None:
        """One term, one tenure: who has lost it steps down."""
        if self._has_run_out(now_ns):
            self._step_down("no majority answered before its deadline", now_ns)
