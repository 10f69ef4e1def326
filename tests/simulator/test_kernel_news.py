"""The kernel of a host tells its processes of one another's end: soon, for certain, and never falsely."""

from __future__ import annotations

import pytest

from tenure import trace
from tenure.algorithms.raft import Raft
from tenure.core.events import PeerLost
from tenure.errors import ConfigurationError
from tenure.simulator import Surroundings, simulate
from tenure.simulator.faults import parse
from tenure.simulator.nemesis import Nemesis
from tenure.simulator.network import MS
from tenure.simulator.news import News
from tenure.simulator.run import set_up
from tenure.simulator.scenario import parse_script
from tenure.simulator.world import World

HOSTS = ((1, 2, 3), (4, 5))


class Told:
    """A group on two hosts, and who was told of whose death when, in milliseconds."""

    def __init__(self, kernel_ns: int | None = None) -> None:
        fair = Surroundings(hosts=HOSTS)
        if kernel_ns is not None:
            fair = Surroundings(hosts=HOSTS, kernel_least_ns=kernel_ns, kernel_most_ns=kernel_ns)
        self.told: list[tuple[float, int, int]] = []
        self.world = World(
            Raft,
            range(1, 6),
            surroundings=fair,
            observers=[self.observe],
        )
        self.nemesis = Nemesis(self.world, News(self.world))
        self.world.start()

    def observe(self, record: trace.Record) -> None:
        if isinstance(record, trace.Suspects):
            assert record.is_certain
            self.told.append((record.at_ns / MS, record.node, record.peer))

    def run(self, until_ms: int) -> None:
        self.world.run(until_ms * MS)

    def let(self, words: str) -> None:
        assert self.nemesis.strike(parse(words))


def test_a_death_is_told_on_its_host_within_the_bounds_and_nowhere_else() -> None:
    """The others must find out for themselves."""
    group = Told()
    group.run(1_000)
    group.let("crash 1")
    group.run(2_000)
    assert sorted((node, peer) for _, node, peer in group.told) == [(2, 1), (3, 1)]
    assert all(1_000.1 <= at_ms <= 1_005 for at_ms, _, _ in group.told)


def test_what_is_no_death_is_never_told() -> None:
    """A pause, and a cut."""
    group = Told()
    group.run(1_000)
    group.let("pause 1 for 5s")
    group.let("cut 2 -- 3")
    group.run(10_000)
    assert group.told == []


def test_who_began_since_is_not_told_and_who_is_paused_is_told_later() -> None:
    """A new life has no connection to the one that ended; a paused one finds out when it goes on."""
    group = Told(kernel_ns=50 * MS)
    group.run(1_000)
    group.let("pause 3 for 1s")
    group.let("crash 1")
    group.run(1_010)
    group.let("restart 2")
    group.run(1_900)
    assert [(node, peer) for _, node, peer in group.told] == [(3, 1), (3, 2)]  # a restart ends a life, too
    assert group.world.nodes[3].inbox.count(PeerLost(1, certain=True)) == 1


@pytest.mark.parametrize("life", [1, 2])
def test_who_has_heard_a_later_life_is_told_nothing_of_the_earlier_one(life: int) -> None:
    """The driver's duty 9: news that is late is none."""
    group = Told(kernel_ns=200 * MS)
    group.run(1_000)
    group.let("restart 1")
    for node in (2, 3):
        group.world.nodes[node].heard[1] = life
    group.run(1_300)
    assert sorted((node, peer) for _, node, peer in group.told) == ([(2, 1), (3, 1)] if life == 1 else [])


def test_a_message_tells_which_life_was_heard() -> None:
    """Of the sender when it left."""
    group = Told()
    group.run(5_000)
    leader = group.world.electors[1].leader
    assert leader is not None
    other = next(node for node in range(1, 6) if node != leader)
    assert group.world.nodes[other].heard[leader] == 1
    group.let(f"restart {leader}")
    group.run(10_000)
    following = group.world.electors[other].leader
    assert following is not None
    assert group.world.nodes[following].heard[leader] == 2


def test_a_script_says_who_shares_a_host() -> None:
    """It is read and written alike, and node 1's death costs milliseconds."""
    script = "algorithm raft\nnodes 1 2 3\nseed 1\nuntil 10s\nhosts 1 2 3\nat 5s crash 1\nat 5.2s expect one leader\n"
    scenario = parse_script(script)
    assert scenario.hosts == ((1, 2, 3),)
    assert parse_script(scenario.script()) == scenario
    for number in (1, 2, 3):
        crash = parse_script(script.replace("crash 1", f"crash {number}"))
        assert simulate(scenario=crash, trace=False).violations == []


def test_a_storm_draws_who_runs_where() -> None:
    """Nowhere together, all together, or on two hosts; a calm run and a scenario say it themselves."""
    placed = [set_up("raft", seed=seed).surroundings.hosts for seed in range(20)]
    assert {len(hosts) for hosts in placed} == {0, 1, 2}
    assert all(hosts == () or sorted(sum(hosts, ())) == [1, 2, 3, 4, 5] for hosts in placed)
    assert set_up("raft", faults=(), seed=placed.index(((1, 2, 3, 4, 5),))).surroundings.hosts == ()
    assert set_up("raft", surroundings=Surroundings(hosts=HOSTS)).settings.hosts[4] == "host 2"  # type: ignore[attr-defined]  # Raft's


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("algorithm bully\nhosts 1 2\n", "name no hosts"),
        ("algorithm raft\nhosts 1 2 | 2 3\n", "name it once"),
        ("algorithm raft\nhosts\n", "give different numbers"),
    ],
)
def test_hosts_that_make_no_sense_are_refused(said: str, wrong: str) -> None:
    """With what to do about it."""
    with pytest.raises(ConfigurationError, match=wrong):
        set_up(scenario=parse_script(said))
