"""Take one rule of metrics or health away, and a named test must fail; with the rule it passes."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tenure import Reason, announcer, handle, serve_health
from tenure.clock import ManualClock
from tenure.handle import Hold
from tenure.health import address, server, service
from tenure.health.answers import Answer
from tenure.health.paths import Paths
from tenure.health.server import HttpServer
from tenure.keeper import Keeper
from tenure.lag import Lag
from tenure.metrics import Metrics, collector
from tenure.metrics.tally import Tally, Vacancy
from tests.election.stage import Stage
from tests.health import test_address, test_paths, test_server, test_service
from tests.metrics import test_collector, test_lag

MUTANT_LIMIT_S = 3.0
"""How long a mutant may hang before it counts as caught: what the test waits for never comes."""
NOTICED = (AssertionError, TimeoutError, ConnectionResetError, pytest.fail.Exception)
"""How a test fails, or is sent away by a server that has no place; any other error would be the mutant's own."""


class Mutant(NamedTuple):
    """A rule, how to take it away, and the test that notices."""

    rule: str
    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., None]
    arguments: Mapping[str, Any] = MappingProxyType({})


def holds_by_the_last_event() -> list[Hold]:
    """Who was elected, and has not been told that it lost: no clock is compared."""
    return [hold for hold in handle._HOLDS if hold._holder.proving and hold._holder.reason is None]  # noqa: SLF001  what the rule forbids


def is_leader_from_the_last_event(patch: pytest.MonkeyPatch) -> None:
    """Metrics, rule 1: what was told last is repeated."""
    patch.setattr(collector, "valid_holds", holds_by_the_last_event)


def take_the_scrapes_lock(patch: pytest.MonkeyPatch) -> None:
    """Metrics, rule 2: whoever tells waits for who reads."""
    real = vars(Metrics)["_put"]

    def put(self: Metrics, item: Any) -> None:
        with self._lock:
            real(self, item)

    patch.setattr(Metrics, "_put", put)


def count_by_subscribing(patch: pytest.MonkeyPatch) -> None:
    """Metrics, rule 2: notices are counted when logging has had them."""
    patch.setattr(announcer.Announcer, "observe", announcer.Announcer.subscribe)


def give_everybody_a_series(patch: pytest.MonkeyPatch) -> None:
    """Metrics, rule 3: without a limit."""
    real = vars(Metrics)["__init__"]

    def init(self: Metrics, *, limit: int = 0, clock: Any = None) -> None:
        real(self, limit=limit + 10**9, clock=clock)

    patch.setattr(Metrics, "__init__", init)


def count_every_end(patch: pytest.MonkeyPatch) -> None:
    """A loss and its release are two transitions."""
    real = vars(Tally)["count"]

    def count(self: Tally, notice: Any) -> None:
        who = (notice.election, notice.candidate)
        if hasattr(notice, "reason"):
            self._open[who] = notice.token
        real(self, notice)

    patch.setattr(Tally, "count", count)


def count_unknown_as_vacant(patch: pytest.MonkeyPatch) -> None:
    """Whom nobody can see is taken for gone."""
    real = vars(Vacancy)["saw"]
    patch.setattr(Vacancy, "saw", lambda self, sight, now: real(self, "vacant" if sight == "unknown" else sight, now))


def measure_answers_only(patch: pytest.MonkeyPatch) -> None:
    """A loop that does not turn has no lag until it turns again."""
    patch.setattr(Lag, "silent_ns", lambda _: 0)


def leader_by_the_last_event(patch: pytest.MonkeyPatch) -> None:
    """Health, rule 1: the same for `/leader`."""
    patch.setattr("tenure.health.paths.valid_holds", holds_by_the_last_event)


def leader_by_the_keepers_word(patch: pytest.MonkeyPatch) -> None:
    """Health, rule 1: who has resigned leads until the keeper has heard of it."""

    def holds() -> list[Hold]:
        return [one for one in handle._HOLDS if one._holder.is_valid(one._clock.now_ns())]  # noqa: SLF001  the same

    patch.setattr("tenure.health.paths.valid_holds", holds)


def only_leaders_are_ready(patch: pytest.MonkeyPatch) -> None:
    """Health, rule 2: a standby is taken out of service, and with it the next leader."""
    patch.setattr(Paths, "_readyz", lambda self, _: self.answer("/leader", "GET"))


def trust_that_loops_turn(patch: pytest.MonkeyPatch) -> None:
    """Health, rule 3: nobody looks at the lag."""
    patch.setattr("tenure.health.paths.lags", list)


def trust_that_the_keeper_lives(patch: pytest.MonkeyPatch) -> None:
    """Health, rule 3: nobody looks whether its thread is there."""
    patch.setattr(Keeper, "is_alive", True)


def trust_that_owners_speak(patch: pytest.MonkeyPatch) -> None:
    """Health, rule 3: nobody looks at the owners' proofs."""
    real = vars(Paths)["troubles"]
    patch.setattr(Paths, "troubles", lambda self: [one for one in real(self) if "was silent" not in one])


def wait_for_the_keeper(patch: pytest.MonkeyPatch) -> None:
    """Each answer is computed on the keeper's thread."""
    real = vars(Paths)["answer"]

    async def compute(self: Paths, target: str, method: str) -> Answer:
        answer: Answer = real(self, target, method)
        return answer

    patch.setattr(
        Paths, "answer", lambda self, target, method: Keeper.current().run(compute(self, target, method)).result(2)
    )


def count_from_the_last_byte(patch: pytest.MonkeyPatch) -> None:
    """A client has its time anew with each byte, as with `http.server`."""

    async def serve(self: HttpServer, connection: socket.socket) -> None:
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        while await asyncio.wait_for(loop.sock_recv(connection, 1), server.REQUEST_S):
            continue

    patch.setattr(HttpServer, "_serve", serve)


def refuse_whoever_comes_late(patch: pytest.MonkeyPatch) -> None:
    """When all places are taken, the newcomer is sent away instead of the slowest."""
    real = vars(HttpServer)["_accept"]

    def accept(self: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        if len(self._open) >= server.CONNECTIONS:
            self._listener.accept()[0].close()
        else:
            real(self, loop)

    patch.setattr(HttpServer, "_accept", accept)


def keep_the_port_in_children(patch: pytest.MonkeyPatch) -> None:
    """A forked child has the listening socket as long as it lives."""
    patch.setattr(HttpServer, "abandon", lambda _: None)


def let_programs_inherit(patch: pytest.MonkeyPatch) -> None:
    """The socket is not closed on exec."""
    real = address.listen

    def listen(where: str) -> socket.socket:
        listener = real(where)
        listener.set_inheritable(True)
        return listener

    patch.setattr(test_address, "listen", listen)


def never_watch(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks who leads: without a leader, nothing is counted."""
    patch.setattr(service.Health, "_watch", lambda *_: None)


MUTANTS = [
    Mutant(
        "is-leader from the last event",
        is_leader_from_the_last_event,
        test_collector.test_is_leader_is_computed_at_the_scrape_and_not_from_the_last_notice,
    ),
    Mutant("scrape's lock", take_the_scrapes_lock, test_collector.test_whoever_tells_waits_for_no_scrape),
    Mutant("subscribing", count_by_subscribing, test_collector.test_a_log_handler_that_blocks_holds_no_number_up),
    Mutant(
        "limit",
        give_everybody_a_series,
        test_collector.test_beyond_the_limit_candidates_are_added_up_and_said_to_be,
    ),
    Mutant(
        "once",
        count_every_end,
        test_collector.test_each_tenure_ends_once_with_its_first_reason,
        {"reason": Reason.EXPIRED},
    ),
    Mutant(
        "unknown",
        count_unknown_as_vacant,
        test_collector.test_leaderless_is_what_was_seen_vacant_and_unknown_is_apart,
    ),
    Mutant("answers only", measure_answers_only, test_paths.test_an_owners_loop_that_does_not_turn_shows_in_livez),
    Mutant(
        "/leader from the last event",
        leader_by_the_last_event,
        test_paths.test_a_leader_whose_lease_has_run_out_answers_503_though_nobody_has_told_it,
    ),
    Mutant(
        "/leader by the keeper's word",
        leader_by_the_keepers_word,
        test_paths.test_who_resigned_answers_503_before_the_keeper_knows,
    ),
    Mutant("standby", only_leaders_are_ready, test_paths.test_a_standby_is_ready_and_no_leader),
    Mutant("keeper's lag", trust_that_loops_turn, test_paths.test_a_keeper_that_does_not_turn_shows_in_livez),
    Mutant(
        "keeper's life",
        trust_that_the_keeper_lives,
        test_paths.test_a_keeper_whose_thread_has_died_shows_in_livez,
    ),
    Mutant(
        "owner's silence",
        trust_that_owners_speak,
        test_paths.test_an_owner_that_is_silent_for_too_long_shows_in_livez,
    ),
    Mutant("keeper's thread", wait_for_the_keeper, test_service.test_it_answers_while_the_keeper_is_held),
    Mutant(
        "one limit",
        count_from_the_last_byte,
        test_server.test_a_client_that_sends_a_byte_now_and_then_is_given_up,
    ),
    Mutant("slowest goes", refuse_whoever_comes_late, test_server.test_clients_that_never_finish_hold_nobody_up),
    Mutant("fork", keep_the_port_in_children, test_service.test_a_forked_child_lets_go_of_the_port),
    Mutant("exec", let_programs_inherit, test_address.test_programs_that_are_started_do_not_inherit_it),
    Mutant("watch", never_watch, test_paths.test_leaderless_time_is_seen_without_being_told),
]


@contextmanager
def fixtures(wanted: set[str], patch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the test asks for, made anew for each run of it."""
    with ExitStack() as stack:
        made: dict[str, Any] = {}
        if "stage" in wanted:
            Keeper.current().stop()
            made["stage"] = Stage()
        if "health" in wanted:
            made["health"] = stack.enter_context(serve_health("127.0.0.1:0"))
        if "clock" in wanted:
            made["clock"] = ManualClock()
        if "metrics" in wanted:
            made["metrics"] = Metrics(clock=made.get("clock"))
            stack.callback(made["metrics"].close)
        if "monkeypatch" in wanted:
            made["monkeypatch"] = patch
        yield made


def run(mutant: Mutant, patch: pytest.MonkeyPatch) -> None:
    """The test of `mutant`, with a limit that is soon over."""
    for module in (test_collector, test_lag, test_paths, test_service):
        patch.setattr(module, "LIMIT_S", MUTANT_LIMIT_S)
    patch.setattr("tests.election.stage.LIMIT_S", MUTANT_LIMIT_S)
    patch.setattr("tests.health.asking.LIMIT_S", MUTANT_LIMIT_S)
    with fixtures(set(inspect.signature(mutant.test).parameters), patch) as made:
        mutant.test(**made, **mutant.arguments)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_without_its_rule_a_test_fails_and_with_it_passes(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is patched away in the product's own class: the named test notices, by failing or by waiting in vain."""
    with monkeypatch.context() as patch:
        run(mutant, patch)

    with monkeypatch.context() as patch:
        mutant.take_away(patch)
        with pytest.raises(NOTICED):
            run(mutant, patch)


def test_every_rule_that_a_file_states_has_its_mutant() -> None:
    """Three of metrics and three of health, each taken away at least once."""
    told = " ".join(mutant.take_away.__doc__ or "" for mutant in MUTANTS)

    assert all(f"{what}, rule {number}" in told for what in ("Metrics", "Health") for number in (1, 2, 3))
