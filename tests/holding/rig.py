"""A holder that may be told anything at any time, and what one knows of it from the outside afterwards."""

from __future__ import annotations

import pickle
import random
from collections import Counter

from tenure.durations import NEVER_NS
from tenure.errors import Reason
from tenure.holding import effects, events
from tenure.holding.budget import Budget
from tenure.holding.effects import Effect
from tenure.holding.events import Event, Granted
from tenure.holding.holder import Holder
from tests.holding.history import allowed_ns
from tests.holding.stage import T0


class Rig:
    """Gives events to one holder and keeps the books: calls, deadlines that answers allow, the body, the wins."""

    def __init__(self, budget: Budget, *, floor: int = 0, takeover_delay_ns: int = 0, seed: int = 0) -> None:
        self.budget = budget
        self.floor = floor
        self.holder = Holder(
            election="e",
            candidate="c",
            budget=budget,
            chance=random.Random(seed),
            floor=floor,
            takeover_delay_ns=takeover_delay_ns,
        )
        self.now_ns = T0
        self.calls: dict[int, effects.Campaign | effects.Renew | effects.Release] = {}
        self.sent_ns: dict[int, int] = {}
        self.open: set[int] = set()
        """Calls that were neither answered nor abandoned."""
        self.strays: set[int] = set()
        """Releases of wins that nobody waited for."""
        self.counts: Counter[str] = Counter()
        self.cancels: list[effects.Cancel] = []
        self.reasons: list[Reason] = []
        self.started: list[int] = []
        self.running = False
        self.told_ns: int | None = None
        self.tokens: set[int] = set()
        """Every token of a win that it was told of."""
        self.given_back: set[int] = set()
        self.refused_release = False
        """A grant was released while its body ran."""
        self.allowed_ns = 0
        """The latest deadline that any grant or renewal told so far allows, counted from when it was asked for."""
        self.came_back = False
        self.after_the_end: list[Effect] = []
        self.renewed_in_silence = False
        self.last_effects: list[Effect] = []
        self._owner_ns = T0
        self._was_valid = False
        self._ended = False
        self._was_over = False

    def give(self, event: Event) -> list[Effect]:
        """One event, now."""
        self._was_over = self.holder.over
        if self._was_valid and not self.holder.is_valid(self.now_ns):
            self._was_valid, self._ended = False, True  # by the clock alone
        self._read(event)
        self.last_effects = self.holder.handle(event, self.now_ns)
        for effect in self.last_effects:
            self._note(effect)
        if self._was_over:
            self.after_the_end += [e for e in self.last_effects if not isinstance(e, effects.Release)]
        valid = self.holder.is_valid(self.now_ns)
        self.came_back = self.came_back or (valid and self._ended)
        self._ended = self._ended or (self._was_valid and not valid)
        self._was_valid = valid
        if self.holder.reason is not None and self.holder.reason not in self.reasons:
            self.reasons.append(self.holder.reason)
        return self.last_effects

    def _read(self, event: Event) -> None:
        match event:
            case events.Won(call, granted):
                self.tokens.add(granted.token)
                self.allowed_ns = max(self.allowed_ns, allowed_ns(self.budget, granted.sent_ns, granted.lease_ns))
                self.open.discard(call)
            case events.RenewalGranted(call, lease_ns):
                if isinstance(self.calls.get(call), effects.Renew):
                    self.allowed_ns = max(self.allowed_ns, allowed_ns(self.budget, self.sent_ns[call], lease_ns))
                self.open.discard(call)
            case events.NotWon(call) | events.Failed(call) | events.ReleaseDone(call):
                self.open.discard(call)
            case events.OwnerTicked(at_ns):
                self._owner_ns = max(self._owner_ns, at_ns)
            case events.BodyLeft():
                self.running = False
            case _:
                ...  # nothing to note

    def _note(self, effect: Effect) -> None:
        self.counts[type(effect).__name__] += 1
        match effect:
            case effects.Campaign(call) | effects.Renew(call) | effects.Release(call):
                assert call not in self.calls, "a call's number is used once"
                self.calls[call], self.sent_ns[call] = effect, self.now_ns
                self.open.add(call)
                self._sent(effect)
            case effects.Abandon(call):
                self.open.discard(call)
            case effects.Start(token):
                self.started.append(token)
                self.running = True
                self._owner_ns = max(self._owner_ns, self.now_ns)
            case effects.Cancel():
                self.cancels.append(effect)
                self.told_ns = self.now_ns if self.told_ns is None else self.told_ns
            case _:
                ...  # counted above

    def _sent(self, effect: effects.Campaign | effects.Renew | effects.Release) -> None:
        if isinstance(effect, effects.Renew) and self.running:
            self.renewed_in_silence = self.renewed_in_silence or (
                self.now_ns - self._owner_ns > self.budget.stall_after_ns
            )
        elif isinstance(effect, effects.Release):
            self.given_back.add(effect.token)
            self.refused_release = self.refused_release or (self.running and effect.token == self.started[-1])
            if effect.token != self.holder.token or self._was_over:
                self.strays.add(effect.call)

    def open_of(self, kind: type[Effect]) -> int:
        """How many calls of a kind are in flight, but for releases of wins that nobody waited for."""
        return sum(isinstance(self.calls[call], kind) for call in self.open - self.strays)

    def drain(self, most_steps: int = 60) -> None:
        """The owner leaves and nothing is answered any more: it must be over in a few wake-ups."""
        self.give(events.BodyLeft())
        for _ in range(most_steps):
            if self.holder.over:
                return
            assert self.holder.wake_ns != NEVER_NS, f"it waits for nothing in {self.holder.phase}"
            self.now_ns = max(self.now_ns, self.holder.wake_ns)
            self.give(events.Woke())
        raise AssertionError(f"it is still {self.holder.phase} after {most_steps} wake-ups")

    def size(self) -> int:
        """How much it remembers."""
        return len(pickle.dumps(self.holder))

    def granted(self, token: int, *, age_ns: int = 0, lease_ns: int | None, clean: bool = True) -> Granted:
        return Granted(token=token, sent_ns=max(self.now_ns - age_ns, 0), lease_ns=lease_ns, clean=clean)
