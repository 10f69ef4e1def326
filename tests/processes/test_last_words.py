"""What a leader has sent arrives after it has died, or is done twice after it was restored: only tokens tell."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenure import StaleToken
from tenure.blocking import Election
from tenure.fencing import FenceGate
from tenure.holding.holder import Holder
from tests.holding.mutants import takeover_delay_ignored
from tests.processes.library_scene import LIMIT_S, Program

STALE = Path(__file__).with_name("programs") / "stale.py"
ON_THE_WAY_S = 1.0
"""How long the words of a dead leader are on their way, unless the next leader has begun before."""
TAKEOVER_DELAY_S = 4.0

Begin = Callable[[str], Program]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start functions of the program; what still runs at the end is killed."""
    programs: list[Program] = []

    def start(function: str) -> Program:
        programs.append(Program(function, str(tmp_path), STALE))
        return programs[-1]

    yield start
    for program in programs:
        program.close()


class Resource:
    """What leaders write to: a socket whose buffer keeps the words of the dead until somebody reads them."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(folder / "resource"))
        self._socket.listen()
        self.gate = FenceGate(folder / "gate")
        self.done: list[str] = []

    def land(self, *, guarded: bool = True) -> None:
        """Read the words of one leader and do what they say."""
        connection, _ = self._socket.accept()
        with connection:
            token = int(connection.makefile().readline())
        try:
            if guarded:
                with self.gate.admit(token, "e"):
                    self.done.append(f"written under {token}")
            else:
                self.done.append(f"written under {token}")
        except StaleToken:
            self.done.append(f"refused {token}")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def resource(tmp_path: Path) -> Iterator[Resource]:
    """The resource, listening."""
    resource = Resource(tmp_path)
    yield resource
    resource.close()


def died_speaking(begin: Begin) -> None:
    """A leader that has sent its words and is dead before they have arrived."""
    leader = begin("speak")
    assert leader.line("sent") == "sent 1"
    leader.signal(signal.SIGKILL)
    assert leader.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("guarded", "done"), [(True, "refused 1"), (False, "written under 1")])
def test_L27_last_words_that_land_late_are_refused_by_their_token(
    begin: Begin, resource: Resource, url: str, guarded: bool, done: str
) -> None:
    """The next leader begins at once; what the dead one has sent comes after that. Without the fence it is done."""
    died_speaking(begin)

    with Election("e", url, fences=[resource.gate] if guarded else []).lead(wait=LIMIT_S) as tenure:
        assert tenure.token > 1
        resource.land(guarded=guarded)

    assert resource.done == [done]


def test_L27_takeover_delay_lets_last_words_land_before_the_next_leader_begins(
    begin: Begin, resource: Resource, url: str
) -> None:
    """For what cannot compare tokens: nobody begins until the words, which take a second here, must have arrived."""
    begun = threading.Event()

    def arrive() -> None:
        begun.wait(ON_THE_WAY_S)
        resource.land(guarded=False)

    died_speaking(begin)
    died_s = time.monotonic()
    way = threading.Thread(target=arrive)
    way.start()
    try:
        with Election("e", url, takeover_delay=TAKEOVER_DELAY_S).lead(wait=LIMIT_S) as tenure:
            already_done = list(resource.done)
            begun.set()
            assert tenure.token > 1
            assert time.monotonic() - died_s >= TAKEOVER_DELAY_S
    finally:
        way.join()

    assert already_done == ["written under 1"]


def test_without_the_takeover_delay_last_words_land_beside_the_next_leader(
    begin: Begin, resource: Resource, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule is taken away, and the test of L27 fails."""
    monkeypatch.setattr(Holder, "_won", takeover_delay_ignored)

    with pytest.raises(AssertionError):
        test_L27_takeover_delay_lets_last_words_land_before_the_next_leader_begins(begin, resource, url)

    assert resource.done == ["written under 1"]


def test_L29_a_leader_restored_from_a_snapshot_is_refused(begin: Begin, tmp_path: Path) -> None:
    """It has resigned and somebody else leads; what is restored knows nothing of that, and its clock agrees with it."""
    old = begin("restore")
    assert old.line("leading") == "leading 1"
    old.line("resigned")
    gate = FenceGate(tmp_path / "gate")

    with Election("e", f"lease://{tmp_path}/leases", lease="60s", fences=[gate]).lead(wait=LIMIT_S) as new:
        old.release_stdin()
        assert old.line("believes") == "believes True SAFE 1"
        assert old.line("refused") == (
            f"refused token 1 is stale: {new.token} was seen already; a newer leader acts now, so stop"
        )
        assert old.end() == 0
