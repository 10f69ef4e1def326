"""Take one rule of the fences away, and a named test must fail; with the rule it passes."""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tenure import StaleToken, body
from tenure.backends.file import steps
from tenure.backends.file.counter import OFFSETS, pack
from tenure.fencing import AsgiFence, FenceGate, SqlFence, WsgiFence, file, sql, stamping
from tenure.fencing.file import FileMarks
from tenure.fencing.marks import MemoryMarks, Obstacle, Visit
from tests.election.stage import Stage
from tests.fencing import test_believers, test_file, test_gate, test_http, test_sql, test_stamping

MUTANT_LIMIT_S = 3.0
"""How long a mutant may hang before it counts as caught: what the test waits for never comes."""
NOTICED = (AssertionError, TimeoutError, StaleToken, ValueError, pytest.fail.Exception)
"""How a test fails, is refused, or reads JSON where there is none; any other error would be the mutant's own."""


class Mutant(NamedTuple):
    """How to take a rule away, and the test that notices."""

    take_away: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., None]
    arguments: Mapping[str, Any] = MappingProxyType({})


# ------------------------------------------------------------------------------------------------------- the gate


def check_without_surrounding(patch: pytest.MonkeyPatch) -> None:
    """An act is let in and forgotten: the newer one does not wait for its end."""
    for kind in (MemoryMarks, FileMarks):

        def enter(self: Any, election: str, token: int, real: Any = kind.enter) -> Visit | Obstacle:
            answer: Visit | Obstacle = real(self, election, token)
            if isinstance(answer, Visit):
                answer.leave()
            return answer

        patch.setattr(kind, "enter", enter)


def raise_the_mark_when_let_in(patch: pytest.MonkeyPatch) -> None:
    """Rule 3: while a newer act waits, older ones go on beginning."""

    def enter(self: MemoryMarks, election: str, token: int) -> Visit | Obstacle:
        oldest = min(self._inside.setdefault(election, Counter()), default=token)
        if token < self.highest(election):
            raise StaleToken(token, self.highest(election))
        return Obstacle(oldest) if oldest < token else real(self, election, token)

    real = MemoryMarks.enter
    patch.setattr(MemoryMarks, "enter", enter)


def refuse_what_is_equal(patch: pytest.MonkeyPatch) -> None:
    """Rule 2, with the wrong comparison: a leader's second act is refused."""

    def raised(self: MemoryMarks, election: str, token: int) -> None:
        if token <= self.highest(election):
            raise StaleToken(token, self.highest(election))
        self._highest[election] = token

    patch.setattr(MemoryMarks, "_raise", raised)


def refuse_what_is_equal_in_files(patch: pytest.MonkeyPatch) -> None:
    """The same in files."""
    real = FileMarks.__dict__["_raise"]

    def raised(self: FileMarks, opened: Any, election: str, token: int) -> None:
        if token == max(opened.read()):
            raise StaleToken(token, token)
        real(self, opened, election, token)

    patch.setattr(FileMarks, "_raise", raised)


def let_the_mark_fall(patch: pytest.MonkeyPatch) -> None:
    """Rules 1 and 2: the newest token that was seen is the last one."""

    def raised(self: MemoryMarks, election: str, token: int) -> None:
        self._highest[election] = token

    patch.setattr(MemoryMarks, "_raise", raised)


def one_mark_for_all_elections(patch: pytest.MonkeyPatch) -> None:
    """Tokens of two elections are compared with one another."""
    real = MemoryMarks.__dict__["_raise"]

    def raised(self: MemoryMarks, election: str, token: int) -> None:
        real(self, "any of " + election[:0], token)

    patch.setattr(MemoryMarks, "_raise", raised)


def ask_the_tenure_instead_of_the_mark(patch: pytest.MonkeyPatch) -> None:
    """The leader is believed: by its own clock it leads still (L19, L29)."""

    def admit(self: FenceGate, bearer: Any, election: str | None = None) -> Any:
        del self, election
        bearer.check()
        return nullcontext(bearer.token)

    patch.setattr(FenceGate, "admit", admit)


def wait_for_ever(patch: pytest.MonkeyPatch) -> None:
    """An act waits for as long as another is paused inside (L25); here for somewhat less."""
    end_s = time.monotonic() + MUTANT_LIMIT_S

    def pause(self: object) -> float:
        del self
        if time.monotonic() > end_s:
            raise TimeoutError("it waits for ever")
        return 0.01

    patch.setattr("tenure.fencing.gate._Rounds.next", pause)


# ------------------------------------------------------------------------------------------------------ its files


def keep_the_mark_in_memory(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: the mark dies with its process."""

    def write(self: Any, kept: object, mark: int) -> None:
        del self, kept, mark

    patch.setattr("tenure.fencing.file._MarkFile.write", write)


def let_in_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    """Rule 1: nobody waits for the disk."""

    def write(self: Any, kept: tuple[int | None, int | None], mark: int) -> None:
        for slot, offset in enumerate(OFFSETS):
            if kept[slot] != mark:
                steps.write_whole(self._fd, pack(mark), offset)

    patch.setattr("tenure.fencing.file._MarkFile.write", write)


def write_one_slot(patch: pytest.MonkeyPatch) -> None:
    """As the token's counter does, whose tokens grow by one; a mark may leap, so the other slot tells nothing."""

    def write(self: Any, kept: tuple[int | None, int | None], mark: int) -> None:
        first = 0 if (kept[0] or 0) <= (kept[1] or 0) else 1
        if mark not in kept:
            steps.write_whole(self._fd, pack(mark), OFFSETS[first])
            file.sync_mark(self._fd)

    patch.setattr("tenure.fencing.file._MarkFile.write", write)


def forget_what_was_seen(patch: pytest.MonkeyPatch) -> None:
    """A file that was deleted or restored takes the mark back."""

    class Forgetful(dict[str, int]):
        def __setitem__(self, key: str, value: int) -> None:
            del key, value

    real = FileMarks.__init__

    def init(self: FileMarks, directory: str) -> None:
        real(self, directory)
        self._seen = Forgetful()

    patch.setattr(FileMarks, "__init__", init)


def lock_whatever_file_is_open(patch: pytest.MonkeyPatch) -> None:
    """A mark is raised in a file that nobody finds any more."""

    def take(self: Any) -> bool:
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True

    patch.setattr("tenure.fencing.file._MarkFile.take", take)


def let_children_keep_descriptors(patch: pytest.MonkeyPatch) -> None:
    """A forked child keeps its dead parent's act inside."""

    class Forgetful(set[int]):
        def add(self, fd: int) -> None:
            del fd

    patch.setattr(file, "_OPEN", Forgetful())


def let_children_leave(patch: pytest.MonkeyPatch) -> None:
    """A forked child that leaves the block ends its parent's act, for they share the description."""
    let_children_keep_descriptors(patch)

    def leave(self: Visit) -> None:
        left, self._leave = self._leave, None
        if left is not None:
            left()

    patch.setattr(Visit, "leave", leave)


# --------------------------------------------------------------------------------------------------- the database


def check_and_commit(patch: pytest.MonkeyPatch) -> None:
    """The statement is a transaction of its own: what is written after it is guarded by nothing."""
    real = SqlFence.check

    def check(self: SqlFence, connection: Any, *bearer: Any) -> None:
        real(self, connection, *bearer)
        connection.commit()

    patch.setattr(SqlFence, "check", check)


def look_without_raising(patch: pytest.MonkeyPatch) -> None:
    """The row is read and not locked: two transactions pass beside one another, and no act raises the mark."""

    def compare(self: SqlFence, connection: Any, election: str, token: int) -> None:
        row = connection.execute(self._read, (election,)).fetchone()
        if row is not None and row[0] > token:
            raise StaleToken(token, row[0])

    patch.setattr(SqlFence, "_compare", compare)


def check_whatever_the_transaction_is(patch: pytest.MonkeyPatch) -> None:
    """Autocommit is not noticed."""
    always = sql.SQLITE._replace(is_transactional=lambda _: True)
    real = SqlFence.__init__
    patch.setattr(SqlFence, "__init__", lambda self, *a, **named: real(self, *a, **{"dialect": always, **named}))


def stamp_without_commit(patch: pytest.MonkeyPatch) -> None:
    """The stamp is gone with its connection."""
    real = SqlFence.stamp

    def stamp(self: SqlFence, *bearer: Any) -> None:
        connect: Any = self._connect

        class Uncommitted:
            def __init__(self) -> None:
                self._real = connect()

            def __getattr__(self, name: str) -> Any:
                return (lambda: None) if name == "commit" else getattr(self._real, name)

        self._connect = Uncommitted
        try:
            real(self, *bearer)
        finally:
            self._connect = connect

    patch.setattr(SqlFence, "stamp", stamp)


# ----------------------------------------------------------------------------------------------- the applications


def look_before_the_asgi_application(patch: pytest.MonkeyPatch) -> None:
    """The token is compared, and then the application runs outside of the gate."""

    async def call(self: AsgiFence, scope: Any, receive: Any, send: Any) -> None:
        self._gate.stamp(int(dict(scope["headers"])[b"tenure-token"]), self._election)
        await self._app(scope, receive, send)

    patch.setattr(AsgiFence, "__call__", call)


def leave_before_the_response_is_closed(patch: pytest.MonkeyPatch) -> None:
    """The gate is left when the WSGI application has returned, though its response is not made yet."""

    def call(self: WsgiFence, environ: Any, start_response: Any) -> Any:
        with self._gate.admit(int(environ["HTTP_TENURE_TOKEN"]), self._election):
            return self._app(environ, start_response)

    patch.setattr(WsgiFence, "__call__", call)


def take_what_cannot_be_read_for_none(patch: pytest.MonkeyPatch) -> None:
    """A malformed token is let through where none is required."""
    for kind in (AsgiFence, WsgiFence):
        real = kind.__mro__[1].__dict__["_token"]

        def token(self: Any, tokens: list[str], elections: list[str], real: Any = real) -> Any:
            answer = real(self, tokens, elections)
            return None if not self._require and not isinstance(answer, int) else answer

        patch.setattr(kind, "_token", token)


# ---------------------------------------------------------------------------------------------------- the election


def stamp_nothing_at_election(patch: pytest.MonkeyPatch) -> None:
    """The new leader's first act is the first that the fence hears of it."""

    async def nothing(*arguments: Any) -> None:
        del arguments

    patch.setattr(body, "stamp_all", nothing)


def lead_whatever_the_fences_say(patch: pytest.MonkeyPatch) -> None:
    """A fence that failed is ignored."""
    real = stamping.stamp_all

    async def stamp_all(*arguments: Any) -> None:
        await real(*arguments)

    patch.setattr(body, "stamp_all", stamp_all)


def stamp_on_the_users_loop(patch: pytest.MonkeyPatch) -> None:
    """A fence that blocks holds up everything on that loop."""

    async def stamp_all(fences: Any, tenure: Any) -> None:
        for fence in fences:
            fence.stamp(tenure.token, tenure.election)

    patch.setattr(body, "stamp_all", stamp_all)


def wait_for_fences_as_long_as_they_like(patch: pytest.MonkeyPatch) -> None:
    """No limit."""
    patch.setattr(stamping, "_limit_s", lambda _: 3600.0)


MUTANTS = [
    Mutant(check_without_surrounding, test_gate.test_waiting_for_no_time_is_one_try),
    Mutant(check_without_surrounding, test_gate.test_waiting_for_no_time_is_one_try, {"kind": "file"}),
    Mutant(raise_the_mark_when_let_in, test_gate.test_L16_a_newer_act_waits_until_the_older_one_has_left),
    Mutant(refuse_what_is_equal, test_gate.test_acts_with_one_token_run_beside_one_another),
    Mutant(refuse_what_is_equal_in_files, test_gate.test_acts_with_one_token_run_beside_one_another, {"kind": "file"}),
    Mutant(let_the_mark_fall, test_gate.test_L16_an_older_act_does_not_begin_after_a_newer_one),
    Mutant(one_mark_for_all_elections, test_gate.test_elections_do_not_touch_one_another),
    Mutant(
        ask_the_tenure_instead_of_the_mark,
        test_believers.test_L29_a_leader_on_a_machine_that_was_paused_is_refused,
        {"fenced": test_believers.by_gate},
    ),
    Mutant(
        ask_the_tenure_instead_of_the_mark,
        test_believers.test_L19_a_leader_whose_session_was_dropped_unnoticed_is_refused,
        {"fenced": test_believers.by_gate},
    ),
    Mutant(wait_for_ever, test_file.test_L25_a_process_paused_inside_its_act_is_waited_for_and_a_killed_one_is_not),
    Mutant(wait_for_ever, test_file.test_L25_a_process_paused_in_the_middle_of_a_step_is_a_bounded_wait),
    Mutant(keep_the_mark_in_memory, test_file.test_L16_the_mark_is_kept_for_the_next_process),
    Mutant(let_in_before_it_is_durable, test_file.test_an_act_begins_only_when_its_mark_is_durable),
    Mutant(write_one_slot, test_file.test_L17_a_mark_that_leaps_stands_in_both_slots),
    Mutant(forget_what_was_seen, test_file.test_L17_a_mark_that_was_deleted_or_restored_is_lifted_by_who_remembers),
    Mutant(
        lock_whatever_file_is_open, test_file.test_L23_a_file_that_is_replaced_between_opening_and_locking_is_not_used
    ),
    Mutant(
        let_children_keep_descriptors,
        test_file.test_L26_a_forked_child_does_not_keep_the_acts_of_a_dead_parent_inside,
    ),
    Mutant(let_children_leave, test_file.test_L26_a_forked_child_has_no_part_in_its_parents_acts),
    Mutant(check_and_commit, test_sql.test_a_database_that_a_paused_leader_holds_is_the_drivers_error),
    Mutant(look_without_raising, test_sql.test_L16_an_older_token_is_refused_and_its_write_undone),
    Mutant(
        check_whatever_the_transaction_is,
        test_sql.test_outside_of_a_transaction_it_is_refused,
        {"options": {"isolation_level": None}},
    ),
    Mutant(stamp_without_commit, test_sql.test_L16_an_election_stamps_before_the_new_leader_has_written),
    Mutant(look_before_the_asgi_application, test_http.test_an_asgi_application_is_inside_until_it_has_returned),
    Mutant(
        leave_before_the_response_is_closed, test_http.test_a_wsgi_application_is_inside_until_its_response_is_closed
    ),
    *(
        Mutant(
            take_what_cannot_be_read_for_none,
            test_http.test_what_is_no_token_is_refused_with_400,
            {"ask": ask, "token": "seven", "require": False},
        )
        for ask in (test_http.ask_asgi, test_http.ask_wsgi)
    ),
    *(
        Mutant(take_away, test, {"lead": test_stamping.lead_asyncio, **more})
        for take_away, test, more in (
            (stamp_nothing_at_election, test_stamping.test_L16_a_fence_is_stamped_before_the_body_begins, {}),
            (
                lead_whatever_the_fences_say,
                test_stamping.test_a_fence_that_fails_means_not_leading,
                {"error": OSError("no disk")},
            ),
            (stamp_on_the_users_loop, test_stamping.test_L16_a_fence_is_stamped_before_the_body_begins, {}),
            (wait_for_fences_as_long_as_they_like, test_stamping.test_L9_a_fence_that_hangs_is_given_up, {}),
        )
    ),
]


def run(mutant: Mutant, patch: pytest.MonkeyPatch) -> None:
    """The test of `mutant`, with what it asks for."""
    for home in ("tests.election.stage", "tests.fencing.test_file", "tests.fencing.test_stamping"):
        patch.setattr(f"{home}.LIMIT_S", MUTANT_LIMIT_S)
    stage = Stage()
    arguments = dict(mutant.arguments)
    kind = arguments.pop("kind", "memory")
    wanted = inspect.signature(mutant.test).parameters
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def gates(**options: Any) -> FenceGate:
            return FenceGate(None if kind == "memory" else folder / "gate", **options)

        def play(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
            return asyncio.run(main())

        offered = {
            "gates": gates,
            "monkeypatch": patch,
            "play": play,
            "stage": stage,
            "tmp_path": folder,
            "tmp_path_factory": SimpleNamespace(mktemp=lambda name: Path(tempfile.mkdtemp(prefix=name, dir=folder))),
        }
        if "connect" in wanted:
            offered["connect"] = stack.enter_context(test_sql.database(folder))
        try:
            mutant.test(**{name: value for name, value in offered.items() if name in wanted}, **arguments)
        finally:
            stage.service.resume()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.take_away.__name__)
def test_without_its_rule_a_test_fails_and_with_it_passes(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is patched away in the product's own class, and the named test notices."""
    with monkeypatch.context() as patch:
        run(mutant, patch)

    with monkeypatch.context() as patch:
        mutant.take_away(patch)
        with pytest.raises(NOTICED):
            run(mutant, patch)
