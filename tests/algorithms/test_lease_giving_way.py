"""A holder that gives way: it asks for no more renewals and holds until its deadline; what happens to it meanwhile."""

from __future__ import annotations

import pytest

from tenure.algorithms.majority_lease import MajorityLease, Renew, TakeOver
from tenure.core.effects import Send
from tenure.core.elector import WishRefused
from tenure.core.events import Asked, Reconfigure, Suspected, Trusted
from tests.algorithms.lease_schedules import SETTINGS
from tests.algorithms.lease_scripts import Script, held_by_1


def giving_way_to_2() -> Script:
    """Node 1 holds, all have preferred 2 for long, and most of the last lease is left."""
    script = held_by_1()
    for number in script.cells:
        script.give(number, Trusted(2))
    while _elector(script, 1).wake_ns != _deadline_ns(script):
        script.calm(20)
    assert script.holders() == [1]
    return script


def _deadline_ns(script: Script) -> int:
    """By node 1's own clock, as it has announced."""
    lease = _elector(script, 1)._lease  # noqa: SLF001  what the schedule knows is in true time
    assert lease is not None
    assert lease.deadline_ns is not None
    return lease.deadline_ns


def _elector(script: Script, number: int) -> MajorityLease:
    elector = script.cells[number].elector
    assert elector is not None
    return elector


def test_it_asks_nobody_any_more_whatever_happens() -> None:
    """Its deadline stays where it is, and then the other one holds."""
    script = giving_way_to_2()
    asked, until_ns = script.happened[Renew.__name__], script.held[1][1]
    while script.holders() == [1]:
        script.give(1, Trusted(2))
        script.calm(20)
    assert 0 <= script.now_ns - until_ns < 20
    assert script.happened[Renew.__name__] == asked
    script.calm(100)
    assert (script.deposed, script.holders()) == ([(1, 1, "gave way to node 2")], [2])


@pytest.mark.parametrize("event", [Trusted(1), Suspected(2)], ids=["itself", "nobody"])
def test_if_the_elector_changes_its_mind_it_goes_on_to_hold(event: Trusted | Suspected) -> None:
    """Under the same token: nothing was given up."""
    script = giving_way_to_2()
    for number in script.cells:
        script.give(number, event)
    script.calm(20_000)
    assert (script.holders(), script.tokens, script.deposed) == ([1], [1], [])


def test_if_the_elector_prefers_a_third_the_count_begins_anew() -> None:
    """And ends with that one."""
    script = giving_way_to_2()
    for number in script.cells:
        script.give(number, Trusted(3))
    script.calm(SETTINGS.give_way_ns)
    assert script.holders() == [1]
    script.calm(SETTINGS.give_way_ns)
    assert (script.deposed, script.holders()) == ([(1, 1, "gave way to node 3")], [3])


def test_asked_meanwhile_it_steps_down_at_once() -> None:
    """For the one that is named."""
    script = giving_way_to_2()
    script.give(1, Asked(3))
    assert script.deposed == [(1, 1, "was asked to step down")]
    script.calm(200)
    assert script.holders() == [3]


def test_a_suspect_is_not_handed_to() -> None:
    """Neither by name nor by default."""
    script = held_by_1()
    script.give(1, Suspected(3))
    elector = _elector(script, 1)
    assert elector.why_not(3) == "node 3 cannot take over: name another member that is not suspected"
    effects = elector.handle(Asked(), script.cells[1].clock(script.now_ns))
    assert [e.to for e in effects if isinstance(e, Send) and isinstance(e.message, TakeOver)] == [2]


def test_a_change_of_voters_is_refused_meanwhile() -> None:
    """Nobody would be asked: the wish would be lost without a word."""
    script = giving_way_to_2()
    elector = _elector(script, 1)
    with pytest.raises(WishRefused, match="node 1 gives way to node 2: ask that one in a while"):
        elector.handle(Reconfigure((1, 2)), script.cells[1].clock(script.now_ns))
    assert elector.configuration.voters == (1, 2, 3)
