"""How the demonstration's processes end: when they are told to, and with the demonstration.

Each holds the reading end of a pipe, and ends when it closes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn


def hold() -> None:
    """End this process at once when stdin ends: whoever started it is gone."""
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def end_on_sigterm() -> None:
    """Have SIGTERM raise SystemExit in the main thread, with the code that a shell would show."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: object) -> NoReturn:
    del frame
    raise SystemExit(128 + number)


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    os._exit(0)
