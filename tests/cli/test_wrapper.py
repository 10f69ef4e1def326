"""The wrapper of `tenure run`, without processes: a guardian that says what the test wants it to."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tenure import Election
from tenure.backends.memory import MemoryBackend, MemoryService
from tenure.cli.run.policy import Policy
from tenure.cli.run.wrapper import Wrapper
from tenure.clock import ManualClock
from tenure.errors import BackendUnreachable
from tenure.supervise import Because, Guardian, GuardianDied

LIMIT_S = 30.0


class PuppetGuardian(Guardian):
    """Runs nothing: each job ends at once, with the next of these codes and reasons."""

    def __init__(self, *ends: tuple[int, Because | None]) -> None:  # no process, no channel: nothing of the real one
        self._ends = list(ends)
        self._because: Because | None = None
        self.started: list[list[str]] = []
        self.dies_with_its_job = False

    @property
    def is_alive(self) -> bool:
        return not (self.dies_with_its_job and self.started)

    @property
    def because(self) -> Because | None:
        return self._because

    async def start(self, command: Sequence[str], env: Mapping[str, str], **how: Any) -> int:
        del env, how
        self._because = None
        self.started.append(list(command))
        return 4711

    async def ended(self) -> int:
        await asyncio.sleep(0)
        code, self._because = self._ends.pop(0)
        return code

    async def stop(self, number: int = 15) -> None:
        del number

    def set_deadline(self, deadline_ns: int | None) -> None:
        del deadline_ns

    def forward(self, number: int) -> None:
        del number


def run(guardian: Guardian, service: MemoryService, **choices: Any) -> int:
    """The exit code of one `tenure run`."""
    election = Election("job", MemoryBackend(service), candidate="a")
    policy = Policy(quiet=True, **choices)

    async def main() -> int:
        async with asyncio.timeout(LIMIT_S):
            return await Wrapper(guardian, election, ["true"], policy, 1.0).main()

    return asyncio.run(main())


@pytest.mark.parametrize("because", [Because.DEADLINE, Because.ORDER, Because.WRAPPER])
def test_a_job_that_the_guardian_ended_is_a_loss(because: Because) -> None:
    """Whatever this side believes of its lease, nobody does the work: it resigns, so that somebody can."""
    service = MemoryService(clock=ManualClock())
    assert run(PuppetGuardian((137, because)), service, once=True) == 75
    assert service.read("job").leader is None


def test_after_a_job_that_the_guardian_ended_it_stands_again() -> None:
    """With a new token, and the job's own end counts then."""
    service = MemoryService(clock=ManualClock())
    guardian = PuppetGuardian((137, Because.DEADLINE), (3, Because.ITSELF))
    assert run(guardian, service) == 3
    assert (len(guardian.started), service.read("job").token) == (2, 2)


def test_without_its_guardian_it_does_not_stand_again() -> None:
    """It could run nothing any more, and whoever waits behind it can."""
    service = MemoryService(clock=ManualClock())
    guardian = PuppetGuardian((137, Because.DEADLINE))
    guardian.dies_with_its_job = True
    with pytest.raises(GuardianDied):
        run(guardian, service)
    view = service.read("job")
    assert (view.token, view.leader, len(view.candidates)) == (1, None, 0)


def test_a_job_that_ended_by_itself_is_no_loss() -> None:
    """Its code is the command's."""
    service = MemoryService(clock=ManualClock())
    assert run(PuppetGuardian((7, Because.ITSELF)), service, once=True) == 7
    assert service.read("job").token == 1


def test_a_look_at_the_leader_that_fails_is_nobodys_business(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for its election is told by the campaign what is wrong; the look says nothing, not even at the end."""
    service = MemoryService(clock=ManualClock())
    election = Election("job", MemoryBackend(service), candidate="a")
    wrapper = Wrapper(PuppetGuardian(), election, ["true"], Policy(quiet=True), 1.0)

    async def main() -> None:
        looked = asyncio.Event()

        async def refuse() -> None:
            looked.set()
            raise BackendUnreachable("no")

        monkeypatch.setattr(election, "leader", refuse)
        async with Election("job", MemoryBackend(service), candidate="b").lead(), asyncio.timeout(LIMIT_S):
            running = asyncio.create_task(wrapper.main())
            await looked.wait()
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(main())
    gc.collect()

    assert "never retrieved" not in caplog.text
