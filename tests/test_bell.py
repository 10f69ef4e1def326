"""The bell: who waits on the main thread hears a signal, whichever thread the system gave it to."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tenure.bell import Bell

ELSEWHERE = """
import signal, threading, time
from tenure.{module} import {name}

def get_the_signal():
    time.sleep(0.2)  # by then the main thread sleeps
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    threading.Event().wait()

threading.Thread(target=get_the_signal, daemon=True).start()
try:
    {wait}
except KeyboardInterrupt:
    print("heard", flush=True)
"""


@pytest.mark.parametrize(
    ("module", "name", "wait"),
    [
        ("bell", "Bell", "Bell().wait_for(lambda: False)"),
        ("bell", "Bell", "Bell().wait_for(lambda: False, 3600)"),
        ("cli.connection", "Views", "Views().next()"),
    ],
)
def test_a_signal_that_another_thread_got_is_heard(module: str, name: str, wait: str) -> None:
    """It does not interrupt the main thread's sleep: it must wake by itself now and then."""
    script = ELSEWHERE.format(module=module, name=name, wait=wait)

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (ended.stdout, ended.returncode) == ("heard\n", 0), ended.stderr


@pytest.mark.parametrize("timeout_s", [0.0, 0.05, 1.2])
def test_it_waits_as_long_as_it_was_told(timeout_s: float) -> None:
    """Waking to hear signals neither shortens the time nor ends the wait."""
    began_s = time.monotonic()

    assert not Bell().wait_for(lambda: False, timeout_s)

    assert time.monotonic() - began_s >= timeout_s


def test_a_condition_that_holds_is_not_waited_for() -> None:
    """Not even with no time left."""
    assert Bell().wait_for(lambda: True, 0.0)


def test_a_handler_that_raises_leaves_nothing_behind() -> None:
    """The one who waited is forgotten, and the bell rings on."""
    bell = Bell()

    def interrupt() -> bool:
        signal.raise_signal(signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt):
        bell.wait_for(interrupt)
    bell.ring()

    assert bell.wait_for(lambda: True)
