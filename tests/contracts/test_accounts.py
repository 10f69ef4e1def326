"""What every elector tells operators of itself: at any time, without a change, and true to what it knows."""

from __future__ import annotations

import contextlib
import random

import msgspec

from tenure.core.account import Account
from tenure.core.elector import DutyBroken, Elector, UnexpectedMessage, WishRefused
from tenure.core.events import Started
from tenure.detectors.watched import Watched
from tests.contracts.test_electors import any_event, every_elector, given_to, make, state


def checked(elector: Elector, now_ns: int) -> Account:
    """Its account, which changed nothing, and is one that can be."""
    before = state(elector)
    account = elector.account(now_ns)
    assert state(elector) == before
    assert account.voters
    assert not set(account.voters) & set(account.learners)
    assert elector.me not in account.peers
    assert elector.me not in account.opinions
    assert (account.detector is None) == (not isinstance(elector, Watched))
    assert all(one.silent_ns >= 0 and one.suspect_in_ns >= 0 for one in account.opinions.values())
    assert all(one.silent_ns >= 0 and one.match < one.next for one in account.peers.values())
    log = account.log
    assert (log is None) == ("raft" not in elector.name)
    if log is not None:
        assert log.snapshot <= log.committed <= log.last
        assert log.applied <= log.committed
        assert log.durable <= log.last
    return account


@every_elector
def test_an_account_can_be_had_at_any_time_and_changes_nothing(kind: type[Elector]) -> None:
    """Before it starts, and after every event, refused ones among them; as JSON it can be read back."""
    for seed in range(10):
        chance, elector, now_ns = random.Random(seed), make(kind, seed), 0
        assert checked(elector, now_ns).voters == (1, 2, 3, 4, 5)
        elector.handle(Started(), now_ns)
        for _ in range(60):
            now_ns += 10**7
            with contextlib.suppress(UnexpectedMessage, DutyBroken, WishRefused):
                given_to(elector, any_event(kind, chance), now_ns)
            checked(elector, now_ns)
        account = checked(elector, now_ns)
        assert msgspec.json.decode(msgspec.json.encode(account), type=Account) == account
