"""Loads asyncio for the wrapper, without OpenSSL where nothing could use it.

asyncio imports `ssl` if it is there, for TLS, and works without. The library behind it takes 5 MiB of a standby that
waits for a file, a third of what the wrapper has beyond a bare interpreter.
"""

from __future__ import annotations

import sys


def load_asyncio(*, tls: bool) -> None:
    """Import asyncio; without `tls` this process cannot speak TLS by asyncio, though `import ssl` works as ever.

    To be called while no other thread imports anything.
    """
    if tls or "asyncio" in sys.modules or "ssl" in sys.modules:
        import asyncio

        return
    sys.modules["ssl"] = None  # type: ignore[assignment]  # the import system's documented word for "not to be had"
    try:
        import asyncio  # noqa: F401  imported for whoever comes next
    finally:
        del sys.modules["ssl"]
