"""Groups that come apart, in the laboratory; and what must hold of them, each under its own name.

A check gives what is wrong in a few words, or nothing. Each is judged on the product by `test_split_brain`, and has
mutants that it catches in `mutants_split_brain`.
"""

from __future__ import annotations

import functools
import itertools
import random

from tenure import trace
from tenure.algorithms.bully import Bully, Coordinator
from tenure.algorithms.split_brain import KeepMajority, SplitBrain, View
from tenure.algorithms.split_brain import sides as product
from tenure.core.effects import Authorised, Send, Side
from tenure.core.elector import Elector
from tenure.core.events import Asked, Received, Started, Suspected, Trusted, Woke
from tenure.durations import NS_PER_S
from tenure.simulator import Run, simulate
from tenure.simulator.scenario import parse_script
from tests.algorithms import test_sides as sides
from tests.algorithms.appointed import Appoint, Appointed, Licensed

CLEAN = """
detector told
nodes 1 2 3 4 5
until 60s
at 10s partition 1 2 3 | 4 5
at 40s heal
"""
HALVES = CLEAN.replace("1 2 3 4 5", "1 2 3 4").replace("1 2 3 | 4 5", "1 2 | 3 4")
HOLES = """
detector told
nodes 1 2 3 4 5
until 90s
at 10s cut 1 -- 4
at 10s cut 1 -- 5
at 10s cut 2 -- 5
at 10s cut 3 -- 4
at 10s cut 4 -- 5
"""
"""What is left are the clique 1-2-3 and the links 4-2 and 5-3."""
RESTART = """
detector told
nodes 1 2 3 4 5
until 60s
at 10s partition 1 2 3 | 4 5
at 30s restart 5
"""
ONE_WAY = """
detector told
nodes 1 2 3 4 5
until 60s
at 10s cut 5 -> 1
"""
BLINK = """
detector told
nodes 1 2 3 4 5
until 40s
at 10s partition 1 2 3 | 4 5
at 13s heal
"""


@functools.cache
def divided(kind: type[Elector], script: str, seed: int = 1) -> Run:
    """The run of this script; each node is told by the world whom it cannot hear, one after the other."""
    return simulate(kind, scenario=parse_script(script), seed=seed)


def records(run: Run) -> list[trace.Record]:
    """What happened."""
    assert run.trace is not None
    return list(run.trace.records)


def leaders_at(run: Run, at_s: float) -> dict[int, int | None]:
    """Whom each node recognises at this instant."""
    became = [r for r in records(run) if isinstance(r, trace.Became) and r.at_ns <= at_s * NS_PER_S]
    return {record.node: record.leader for record in became}


def said(run: Run, node: int) -> list[str]:
    """What the node has said of its side, in order."""
    return [record.side for record in records(run) if isinstance(record, trace.Sided) and record.node == node]


# What must hold


def one_side_leads() -> str:
    """After a clean cut the losing side recognises nobody, and has said so; the other one has a leader."""
    run = divided(KeepMajority.over(Bully), CLEAN)
    then = leaders_at(run, 39)
    if then != {1: 3, 2: 3, 3: 3, 4: None, 5: None}:
        return f"they recognise {then}"
    silent = [node for node in (4, 5) if "steps down" not in said(run, node)]
    return f"{silent} do not say that they step down" if silent else ""


def one_half_leads() -> str:
    """Of two halves only that with the lowest number goes on."""
    then = leaders_at(divided(KeepMajority.over(Bully), HALVES), 39)
    return "" if then == {1: 2, 2: 2, 3: None, 4: None} else f"they recognise {then}"


def holes_are_closed() -> str:
    """With holes in the partition, the clique comes to rest under one leader that hears only the clique."""
    run = divided(KeepMajority.over(Bully), HOLES)
    late = {r.leader for r in records(run) if isinstance(r, trace.Became) and r.at_ns > 30 * NS_PER_S}
    then = leaders_at(run, 90)
    expected = {1: 3, 2: 3, 3: 3, 4: None, 5: None}
    return "" if then == expected and not late else f"they recognise {then}, and lately {late}"


def whole_again_after_healing() -> str:
    """When the cut is mended all follow one leader again, and say that they are whole."""
    run = divided(KeepMajority.over(Bully), CLEAN)
    then, last = leaders_at(run, 60), {said(run, node)[-1] for node in range(1, 6)}
    return "" if set(then.values()) == {5} and last == {"whole"} else f"they recognise {then}, and say {last}"


def who_restarts_on_the_losing_side_leads_nobody() -> str:
    """Not even itself, though it has heard of no cut."""
    run = divided(KeepMajority.over(Bully), RESTART)
    began = [record.at_ns for record in records(run) if isinstance(record, trace.Began) and record.node == 5]
    led = [r for r in records(run) if isinstance(r, trace.Became) and r.node == 5 and r.leader and r.at_ns >= began[-1]]
    return "" if len(began) == 2 and not led else f"{led}"


def a_short_cut_decides_nothing() -> str:
    """What is over before the view was stable for long enough makes nobody step down."""
    run = divided(KeepMajority.over(Bully), BLINK)
    noticed = any("undecided" in said(run, node)[2:] for node in range(1, 6))
    decided = {node for node in range(1, 6) if {"stays", "steps down"} & set(said(run, node))}
    return f"{decided} have decided" if decided else "" if noticed else "nobody noticed anything"


def rules_leave_one_side() -> str:
    """Every graph of four nodes, under every rule: those that stay see one another."""
    members, pairs = frozenset(range(1, 5)), list(itertools.combinations(range(1, 5), 2))
    for links in itertools.chain.from_iterable(itertools.combinations(pairs, k) for k in range(len(pairs) + 1)):
        for rule in sides.rules(members):
            if found := sides.all_stay_on_one_side(sides.graph(members, links), rule):
                return f"{links}: {found}"
    return ""


def a_quorum_that_two_could_have_keeps_nobody() -> str:
    """Three of six could be on both sides, so three are not enough."""
    meets = sides.meets_in([range(3), range(3, 6)])
    stay = sides.stayers(meets, lambda side: product.is_quorum(frozenset(range(6)), side, 3))
    return f"{sorted(stay)} stay" if stay else ""


def who_stays_hears_only_its_side() -> str:
    """Node 3, which 2 sees and 1 does not, announces itself to 2, which goes on with 1."""
    node = KeepMajority.over(Bully)(2, (1, 2, 3), random.Random(1))
    node.handle(Started(), 0)
    for peer in (1, 3):
        node.handle(Received(peer, View(peer, 1, (2, peer), (2, peer), (), None, 0, ())), 1)
    node.handle(Woke(), 6 * NS_PER_S)
    if node.side is not Side.STAYS:
        return f"it says {node.side}"
    node.handle(Received(3, Coordinator()), 6 * NS_PER_S)
    return f"it recognises {node.leader}" if node.leader == 3 else ""


def leftovers_are_reconciled() -> str:
    """Node 1 leads, and hears for two rounds of views that the others recognise 2: it looks at 2 anew."""
    node = KeepMajority.over(Appointed)(1, (1, 2, 3), random.Random(1))
    node.handle(Started(), 0)
    for number, leader in ((1, None), (2, 2)):
        for peer in (2, 3):
            told = View(peer, number, (1, 2, 3), (1, 2, 3), (1, 2, 3), leader, 0, ())
            node.handle(Received(peer, told), number)
        node.handle(Received(2, Appoint(1, 1)), number)
    assert isinstance(node.inner, Appointed)
    node.inner.given.clear()
    node.handle(Woke(), 2 * node.settings.tell_every_ns + 10)
    return "" if node.inner.given[:2] == [Suspected(2), Trusted(2)] else f"it was given {node.inner.given}"


def a_single_link_costs_one_node() -> str:
    """1 does not hear 5, and 5 hears 1: the four that are left agree, and so know whom the others meet."""
    then = leaders_at(divided(KeepMajority.over(Bully), ONE_WAY), 40)
    return "" if then == {1: 4, 2: 4, 3: 4, 4: 4, 5: None} else f"they recognise {then}"


def _stepped_down(kind: type[Elector]) -> SplitBrain:
    """Node 3 of three, which has led, and has lost sight of both others at 0."""
    node = KeepMajority.over(kind)(3, (1, 2, 3), random.Random(1))
    node.handle(Started(), 0)
    _meet_all(node, 1, 0)
    if Appoint in node.messages:
        node.handle(Received(1, Appoint(3, 1)), 0)
    for peer in (1, 2):
        node.handle(Suspected(peer), 0)
    node.handle(Woke(), node.settings.stable_after_ns)
    assert node.side is Side.STEPS_DOWN
    return node


def _meet_all(node: SplitBrain, number: int, now_ns: int) -> None:
    for peer in (1, 2):
        node.handle(Trusted(peer), now_ns)
        node.handle(Received(peer, View(peer, number, (1, 2, 3), (1, 2, 3), (1, 2, 3), None, 0, ())), now_ns)


def what_was_given_up_is_not_passed_on_again() -> str:
    """Not when all are whole again either: the token was said to be over. The next one counts."""
    node = _stepped_down(Licensed)
    stable_ns = node.settings.stable_after_ns
    _meet_all(node, 2, stable_ns)
    node.handle(Woke(), 3 * stable_ns)
    assert node.side is Side.WHOLE
    assert isinstance(node.inner, Licensed)
    passed = list[int]()
    for token in (1, 9):
        node.inner.pending = Appoint(3, token)
        effects = node.handle(Woke(), max(3 * stable_ns, node.wake_ns))
        effects = [*effects, *node.handle(Received(1, Appoint(3, token)), 3 * stable_ns + 1)]
        passed += [effect.token for effect in effects if isinstance(effect, Authorised)]
    return "" if passed == [9] else f"authority under {passed} was passed on"


def who_stepped_down_is_silent_in_its_elector() -> str:
    """Which wins an election, is made to resign at once, and tells the others of both; nobody hears of it."""
    node = _stepped_down(Licensed)
    assert isinstance(node.inner, Licensed)
    node.inner.pending = Appoint(3, 9)
    effects = node.handle(Asked(), node.settings.stable_after_ns + 1)
    if node.inner.leader == 3:
        return "its elector leads on"
    kinds = {type(one.message).__name__ for one in effects if isinstance(one, Send)}
    return "" if kinds <= {"View"} else f"it sends {sorted(kinds)}"


def what_others_see_must_be_stable_too() -> str:
    """Node 1 sees both others all the while; 2 loses sight of 3 and finds it again, each time for three seconds."""
    node = KeepMajority.over(Bully)(1, (1, 2, 3), random.Random(1))
    node.handle(Started(), 0)
    decided = set[str]()
    for number in range(1, 12):
        now_ns = 3 * number * NS_PER_S
        sees = (1, 2) if number % 2 else (1, 2, 3)
        node.handle(Received(2, View(2, number, sees, sees, (), None, 0, ())), now_ns)
        node.handle(Received(3, View(3, number, (1, 3), (1, 3), (), None, 0, ())), now_ns)
        node.handle(Woke(), now_ns + 2 * NS_PER_S)
        decided.add(str(node.side))
    return "" if decided == {str(Side.UNDECIDED)} else f"it has said {decided}"


CHECKS = (
    a_single_link_costs_one_node,
    what_was_given_up_is_not_passed_on_again,
    who_stepped_down_is_silent_in_its_elector,
    what_others_see_must_be_stable_too,
    leftovers_are_reconciled,
    who_stays_hears_only_its_side,
    one_side_leads,
    one_half_leads,
    holes_are_closed,
    whole_again_after_healing,
    who_restarts_on_the_losing_side_leads_nobody,
    a_short_cut_decides_nothing,
    rules_leave_one_side,
    a_quorum_that_two_could_have_keeps_nobody,
)
