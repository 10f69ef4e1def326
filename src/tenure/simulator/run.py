"""One run: a group, a plan of what goes wrong, the checkers that judge it, and what came of it."""

from __future__ import annotations

import enum
import hashlib
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath

import msgspec

from tenure import trace
from tenure.core.composed import Composed
from tenure.core.elector import NEW, Elector, Serving
from tenure.core.events import NodeId
from tenure.core.model import Guarantee
from tenure.core.words import by_kind
from tenure.durations import NS_PER_S, to_ns
from tenure.errors import ConfigurationError
from tenure.simulator import (
    checkers,
    clients,
    expectations,
    founding,
    given,
    linearizability,
    names,
    plan,
    raft_checkers,
)
from tenure.simulator.callers import Callers
from tenure.simulator.checkers import Checker, Violation
from tenure.simulator.crowd import Crowd
from tenure.simulator.expectations import Expectation
from tenure.simulator.faults import Join
from tenure.simulator.history import Operation
from tenure.simulator.holders import Holders
from tenure.simulator.holders import checkers as bodies
from tenure.simulator.measures import Measures
from tenure.simulator.nemesis import Nemesis
from tenure.simulator.news import News
from tenure.simulator.node import RanAway
from tenure.simulator.plan import Plan
from tenure.simulator.scenario import Called, Scenario
from tenure.simulator.surroundings import Surroundings
from tenure.simulator.world import World

LIMIT_STEPS = 1_000_000
"""Of the search for an order of what clients did; beyond it nothing is said, which is no objection."""
LIMIT_VIOLATIONS = 100
"""That one run keeps; a checker that objects at every step has made its point."""
OF_MESSAGES = (trace.Sent, trace.Arrived, trace.Dropped)
LIMIT_RECORDS = trace.LIMIT_RECORDS - 10 * LIMIT_VIOLATIONS
SHORTEST_CALM_NS = 20 * NS_PER_S
"""A run whose calm is shorter is not judged for agreement and termination: time-outs and leases take seconds."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides a run: the same setup gives the same run, on every machine."""

    kind: type[Elector]
    nodes: tuple[NodeId, ...]
    seed: int
    until_ns: int
    plan: Plan
    calls: tuple[Called, ...] = ()
    """What a scenario's clients ask for."""
    expectations: tuple[Expectation, ...] = ()
    settings: object = None
    surroundings: Surroundings = Surroundings()
    check: tuple[str, ...] | None = None
    """The checkers by name; None: those of the algorithm's guarantees."""
    holders: bool = False
    """Whether each node has a holder with a body, for which its elector's authority is the grant."""
    clients_ns: int = 0
    """For so long clients ask it for what the seed draws; 0: there are none. Only an elector that serves has any."""
    again: str = ""
    """The line that runs it again, in a shell or in Python."""


class Run:
    """What came of a run."""

    def __init__(self, setup: Setup, world: World, measures: Measures, violations: list[Violation]) -> None:
        self.setup = setup
        self.violations = violations
        """What the checkers objected to; empty for a run without fault."""
        self.measures = measures
        self.sent = by_kind(world.sent)
        """Messages by kind, each counted once, when it left."""
        self.bytes = by_kind(world.bytes)
        self.delivered = world.delivered
        self.struck: Counter[str] = world.struck
        """Faults that found something to strike, by name."""
        self.refused: Counter[str] = world.refused
        self.roles = frozenset(
            str(role)
            for elector in world.electors.values()
            if isinstance(elector.role, enum.Enum)
            for role in type(elector.role)
            if role != NEW
        )
        """All roles that its electors may have, as far as those that live in the end tell."""
        self.history: list[Operation] = []
        """What its clients asked and were told."""
        self.trace: trace.Trace | None = None

    @property
    def is_void(self) -> bool:
        """Whether nothing was elected: such a run shows nothing."""
        return self.measures.became_leader == 0

    def digest(self) -> str:
        """Of the whole trace but for the words that run it again, in hexadecimal. Raises ConfigurationError where none
        was kept.
        """
        sha, kept = hashlib.sha256(), self._kept()
        head = msgspec.structs.replace(kept.head, again="")
        for line in trace.lines(msgspec.structs.replace(kept, head=head)):
            sha.update(line)
        return sha.hexdigest()

    def svg(self) -> str:
        """The run as a space-time diagram. Raises ConfigurationError where no trace was kept."""
        from tenure.render import spacetime

        return spacetime.svg(self._kept())

    def html(self) -> str:
        """The run as a page that steps and plays. Raises ConfigurationError where no trace was kept."""
        from tenure.render import spacetime

        return spacetime.html(self._kept())

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        return self.svg()

    def _kept(self) -> trace.Trace:
        if self.trace is None:
            raise ConfigurationError("this run kept no trace; run it again with trace=True")
        return self.trace


def set_up(
    algorithm: str | type[Elector] | None = None,
    *,
    nodes: int | Sequence[NodeId] = 5,
    seed: int = 0,
    until: float | str = 60,
    faults: Iterable[str] | None = None,
    scenario: Scenario | None = None,
    detector: str = "heartbeat",
    settings: object = None,
    surroundings: Surroundings | None = None,
    check: Iterable[str] | None = None,
    holders: bool = False,
    again: str = "",
) -> Setup:
    """What `simulate` runs: a scenario's word goes before the arguments', and its strokes before drawn faults."""
    given.instance("scenario", scenario, Scenario, "what tenure.simulator.scenario.read gives")
    given.instance("surroundings", surroundings, Surroundings, "tenure.simulator.Surroundings")
    kinds, check = given.texts("faults", faults), given.texts("check", check)
    is_told, scenario = scenario is not None, scenario or Scenario()
    inner = _elector(scenario.algorithm or algorithm, settings)
    detector = scenario.detector or detector
    if holders and Guarantee.ONE_AT_A_TIME not in inner.guarantees:
        raise ConfigurationError(f"{inner.name} gives no authority to hold; give holders to {inner.name}+lease")
    surroundings = msgspec.structs.replace(surroundings or Surroundings(), is_told=detector == names.TOLD)
    numbers = given.numbers(nodes if scenario.nodes is None else scenario.nodes)
    seed = given.seed(seed if scenario.seed is None else scenario.seed)
    hosts = scenario.hosts or surroundings.hosts
    if hosts and not issubclass(inner, Serving):
        raise ConfigurationError(f"{inner.name} makes nothing of what kernels tell of deaths; name no hosts")
    if issubclass(inner, Serving) and kinds is None and not is_told:
        hosts = hosts or plan.place(numbers, seed)
    surroundings = msgspec.structs.replace(surroundings, hosts=hosts)
    until_ns = to_ns(until) if scenario.until_ns is None else scenario.until_ns
    clients_ns = _clients_ns(inner, scenario, until_ns, is_told=is_told)
    calm, storm = kinds == (), clients_ns > 0 and kinds != ()
    inner, settings = founding.founded(inner, settings, seed, numbers, hosts, is_calm=calm, is_storm=storm)
    kind = names.watched(inner, detector)
    if kind is not inner:
        kind, settings = _with_settings(kind, inner, settings), None
    if until_ns <= 0:
        raise ConfigurationError("until is 0, so that nothing would happen; give seconds such as until=60")
    if kinds is not None and is_told:
        raise ConfigurationError("a scenario says what goes wrong; give it, or kinds of faults, and not both")
    drawn = _said(inner, scenario, numbers, until_ns) if is_told else plan.draw(kind, numbers, seed, until_ns, kinds)
    return Setup(
        kind=kind,
        nodes=numbers,
        seed=seed,
        until_ns=until_ns,
        plan=drawn,
        calls=scenario.calls,
        expectations=scenario.expectations,
        settings=settings,
        surroundings=surroundings,
        check=check,
        holders=holders,
        clients_ns=clients_ns,
        again=again,
    )


def _clients_ns(kind: type[Elector], scenario: Scenario, until_ns: int, *, is_told: bool) -> int:
    """For how long clients go on. Raises ConfigurationError."""
    if not is_told:
        return until_ns if issubclass(kind, Serving) else 0
    if scenario.clients_ns is not None and scenario.calls:
        raise ConfigurationError("clients either ask for what the script says, or for what the seed draws: say one")
    return scenario.clients_ns or 0


def _elector(said: object, settings: object) -> type[Elector]:
    """The class of electors that was named or given, which takes these settings. Raises ConfigurationError."""
    if said is None:
        raise ConfigurationError("no algorithm was named; give one, such as bully, or name it in the scenario")
    kind = names.algorithm(said) if isinstance(said, str) else given.elector(said)
    given.settings(kind, settings)
    return kind


def _with_settings(kind: type[Elector], inner: type[Elector], settings: object) -> type[Elector]:
    """The watched elector, whose inner one gets the settings."""
    if settings is None:
        return kind
    assert issubclass(kind, Composed)
    return kind.over(inner, settings)


def _said(kind: type[Elector], scenario: Scenario, nodes: Sequence[NodeId], until_ns: int) -> Plan:
    """What a scenario lets happen: what it says and nothing else. Raises ConfigurationError."""
    of_raft = [str(one.call) for one in scenario.calls]
    of_raft += [] if scenario.clients_ns is None else ["clients"]
    of_raft += [f"expect {one}" for one in scenario.expectations if one.is_of_raft]
    if of_raft and not issubclass(kind, Serving):
        raise ConfigurationError(f"{of_raft[0]}: {kind.name} serves no clients, and no log has its voters; name raft")
    late = [expected for expected in scenario.expectations if expected.at_ns > until_ns]
    if late:
        raise ConfigurationError(
            f"at {late[0].at_ns / NS_PER_S:g} s, {late[0]} is expected, and the run ends at {until_ns / NS_PER_S:g} s: "
            "let it run until then"
        )
    if scenario.healed_ns is not None:
        known = {*nodes, *(stroke.fault.node for stroke in scenario.strokes if isinstance(stroke.fault, Join))}
        if unknown := set(scenario.converging) - known:
            raise ConfigurationError(f"node {min(unknown)} is to converge and is none of the nodes; name it in `nodes`")
        if scenario.healed_ns >= until_ns:
            raise ConfigurationError("the nodes are to converge after the end of the run; let it run for longer")
    return Plan(scenario.strokes, scenario.healed_ns, scenario.converging)


class _Judge:
    """The observers of one run, and what they found."""

    def __init__(self, setup: Setup, *, keeps_trace: bool) -> None:
        self.violations: list[Violation] = []
        self.measures = Measures()
        self.records: list[trace.Record] | None = [] if keeps_trace else None
        wanted = checkers.names_for(setup.kind.guarantees) if setup.check is None else setup.check
        if setup.holders and setup.check is None:
            wanted += bodies.NAMES
        calm_ns = 0 if setup.plan.healed_ns is None else setup.until_ns - setup.plan.healed_ns
        self.is_final = setup.check is None and calm_ns >= SHORTEST_CALM_NS
        """Whether the end of the run is judged as well."""
        if setup.check is None and not self.is_final:
            wanted = tuple(name for name in wanted if name not in checkers.FINAL and name != bodies.BodyWorks.name)
        has_authority = Guarantee.ONE_AT_A_TIME in setup.kind.guarantees
        of_bodies = [name for name in wanted if setup.holders and name in bodies.NAMES]
        of_electors = [name for name in wanted if name not in of_bodies]
        self._checkers: list[Checker] = checkers.make(of_electors, setup.plan.converging, has_authority=has_authority)
        self._checkers += bodies.make(of_bodies, setup.plan.converging)

    def observe(self, record: trace.Record) -> None:
        if self.records is not None:
            if len(self.records) >= LIMIT_RECORDS:
                raise ConfigurationError(
                    f"more than {LIMIT_RECORDS} records were made, and a trace holds no more; run it for a shorter "
                    "time, or without a trace"
                )
            self.records.append(record)
        if isinstance(record, OF_MESSAGES):
            return
        if isinstance(record, trace.Violated):
            self._keep(Violation(record.checker, record.at_ns, record.text))
            return
        self.measures.see(record)
        for checker in self._checkers:
            if text := checker.see(record):
                self.object(checker.name, record.at_ns, text)

    def ended(self, at_ns: int) -> None:
        self.measures.ended(at_ns)
        for checker in self._checkers:
            if text := checker.ended(at_ns):
                self.object(checker.name, at_ns, text)

    def judge_service(self, served: clients.Clients, at_ns: int) -> None:
        """How clients were served, now that it is over."""
        if (text := served.why_unanswered()) is not None:
            self.object(clients.ANSWERS, at_ns, text)
        if self.is_final and (text := served.why_no_service()) is not None:
            self.object(clients.SERVICE, at_ns, text)

    def object(self, checker: str, at_ns: int, text: str) -> None:
        if self._keep(Violation(checker, at_ns, text)) and self.records is not None:
            self.records.append(trace.Violated(at_ns, checker, text))

    def _keep(self, violation: Violation) -> bool:
        if len(self.violations) < LIMIT_VIOLATIONS:
            self.violations.append(violation)
            return True
        return False


def run(setup: Setup, *, keeps_trace: bool = True, weighs: bool = False) -> Run:
    """Run it to its end. With `weighs` messages are counted in bytes too, which takes time; a trace takes memory."""
    judge = _Judge(setup, keeps_trace=keeps_trace)
    world = World(
        setup.kind,
        setup.nodes,
        seed=setup.seed,
        settings=setup.settings,
        surroundings=setup.surroundings,
        observers=[judge.observe],
        tells_messages=keeps_trace,
        weighs=weighs,
    )
    rules = judge.measures.rules
    world.inspector = raft_checkers.inspector(world, lambda name, text: judge.object(name, world.now_ns, text), rules)
    nemesis = Nemesis(world, News(world))
    served = clients.Clients(world, setup.clients_ns) if setup.clients_ns else None
    if served is not None:
        nemesis.watch(Crowd(served))
    if setup.holders:
        nemesis.ask = Holders(world, setup.plan.healed_ns).ask
    called: Callers | None = None
    try:
        if setup.plan.healed_ns is not None:
            world.tell(trace.Phase(0, "faults"))
        world.start()
        called = _let_come(setup, nemesis, judge)
        if setup.plan.healed_ns is not None:
            healed = trace.Phase(setup.plan.healed_ns, "healed", setup.plan.converging)
            world.call_at(setup.plan.healed_ns, world.tell, healed)
        world.run(setup.until_ns)
    except RanAway as error:
        judge.object("bounded-messages", world.now_ns, str(error))
    except ConfigurationError:
        raise  # of the run, not of the algorithm
    except Exception as error:  # noqa: BLE001  a defect of an elector is what runs are for: it is judged, and its seed told
        judge.object("no-exception", world.now_ns, _told(error))
    judge.ended(world.now_ns)
    done = Run(setup, world, judge.measures, judge.violations)
    if served is not None:
        done.history = served.ended()
        judge.judge_service(served, world.now_ns)
    elif called is not None:
        done.history = called.ended()
    if done.history:
        verdict = linearizability.check(done.history, limit_steps=LIMIT_STEPS)
        if verdict.outcome is linearizability.Outcome.VIOLATION:
            judge.object(clients.LINEARIZABLE, world.now_ns, f"no order of what clients did explains {verdict.failure}")
    if judge.records is not None:
        head = trace.Head(
            version=trace.VERSION,
            algorithm=setup.kind.name,
            nodes=setup.nodes,
            seed=setup.seed,
            until_ns=setup.until_ns,
            again=setup.again,
        )
        judge.records.append(trace.Phase(world.now_ns, "end"))
        done.trace = trace.Trace(head, judge.records)
    return done


def _let_come(setup: Setup, nemesis: Nemesis, judge: _Judge) -> Callers | None:
    """Let everything happen that is written down, and be looked at what is expected; who asks what scripts ask for."""
    world = nemesis.world
    called = Callers(world) if setup.calls else None
    told = {} if called is None else called.told
    for stroke in setup.plan.strokes:
        nemesis.at(stroke.at_ns, stroke.fault)
    for one in setup.calls:
        assert called is not None
        world.call_at(one.at_ns, called.ask, one.call)
    for expected in setup.expectations:
        world.call_at(expected.at_ns, expectations.compare, (world, told, expected, judge.object))
    return called


def _told(error: Exception) -> str:
    """An exception of an elector, and where it was raised."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({PurePath(where.filename).name}:{where.lineno})"
