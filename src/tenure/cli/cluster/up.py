"""`tenure cluster up`: several `tenure node` on this machine, as one command, for development."""

from __future__ import annotations

import asyncio
import os
import signal
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tenure.cli import exits
from tenure.cli.exits import Exit
from tenure.cli.options import talk_options
from tenure.errors import ConfigurationError
from tenure.transports.addresses import GREATEST_PORT, parse

MOST = len(string.ascii_lowercase)
END_WITHIN_S = 10.0
"""How long nodes may take to end when they are told to; a leader hands over first. Then they are killed."""
LINE_BYTES = 64 * 1024
"""The longest line of a node that is passed on whole."""


@click.command("up")
@click.argument("count", metavar="N", type=click.IntRange(1, MOST))
@click.option(
    "--data",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tenure-cluster"),
    show_default=True,
    metavar="DIR",
    help="A directory for each node, and its socket; the next `up` goes on where this one ends.",
)
@click.option("--port", type=click.IntRange(1, GREATEST_PORT), help="Listen on 127.0.0.1 from this port on.")
@click.option("--algorithm", default="raft", show_default=True, help="As for `tenure node`.")
@click.option("--authority", type=click.Choice(["own", "majority"]), default="own", show_default=True, help="The same.")
@click.option("--trace", is_flag=True, help="Write what the nodes see into DIR/traces, for `tenure replay`.")
@talk_options
def up(count: int, directory: Path, port: int | None, *, algorithm: str, authority: str, trace: bool) -> int:
    """Start N nodes, called a, b, c and so on, and end all of them on Ctrl-C or SIGTERM.

    What each says comes with its name in front. A node that dies is not started again: that is for you to watch.
    """
    directory = directory.absolute()
    names = string.ascii_lowercase[:count]
    if port is not None and port + count - 1 > GREATEST_PORT:
        raise click.UsageError(f"{count} ports from {port} on are more than there are; take a lower one")
    addresses = {
        name: f"unix:{directory}/{name}.sock" if port is None else f"127.0.0.1:{port + place}"
        for place, name in enumerate(names)
    }
    for address in addresses.values():
        _check(address)
    directory.mkdir(parents=True, exist_ok=True)
    options = ["--algorithm", algorithm, "--authority", authority]
    if trace:
        options += ["--trace", str(directory / "traces")]
    lines = {name: _line(name, addresses, directory, options) for name in names}
    exits.say(f"look at it: tenure cluster status --at {','.join(addresses.values())}")
    return asyncio.run(_Nodes(lines).run())


def _check(address: str) -> None:
    try:
        parse(address)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; take a shorter --data, or listen on ports: --port 7101") from error


def _line(name: str, addresses: Mapping[str, str], directory: Path, options: list[str]) -> list[str]:
    peers = [f"--peer={other}={address}" for other, address in addresses.items() if other != name]
    own = ["--name", name, "--listen", addresses[name], "--data", str(directory / name)]
    return [sys.executable, "-m", "tenure", "node", *own, *peers, *options]


class _Nodes:
    """The processes, by the names of their nodes."""

    def __init__(self, lines: Mapping[str, list[str]]) -> None:
        self._lines = lines
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._width = max(map(len, lines))

    async def run(self) -> int:
        """Until a signal, or until all have ended; the exit code."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        tasks: list[asyncio.Task[int]] = []
        try:
            for name, line in self._lines.items():
                process = await asyncio.create_subprocess_exec(
                    *line,
                    stdin=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    limit=LINE_BYTES,
                    start_new_session=True,  # Ctrl-C is for this process, which passes it on in good order
                    env=_environment(),
                )
                self._running[name] = process
                tasks.append(loop.create_task(self._watch(name, process, ended)))
            everything = asyncio.gather(*tasks)
            waiting = loop.create_task(ended.wait())
            both: set[asyncio.Future[Any]] = {everything, waiting}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            was_told = ended.is_set()
            ended.set()
            waiting.cancel()
        finally:
            await self._end()
        codes = await everything
        if was_told:
            return Exit.DONE if not any(codes) else Exit.FAILURE
        exits.say("all nodes have ended by themselves")
        return Exit.FAILURE

    async def _watch(self, name: str, process: asyncio.subprocess.Process, ended: asyncio.Event) -> int:
        """Pass on what it says, and say how it ended."""
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than LINE_BYTES; what is left of it follows
                continue
            if not line:
                break
            text = line.decode(errors="backslashreplace").rstrip("\n").removeprefix("tenure: ")
            sys.stderr.write(f"{name:<{self._width}} | {text}\n")
        code = await process.wait()
        del self._running[name]
        if not ended.is_set():
            how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
            exits.say(f"{name} {how}, and is not started again; by hand: {_shown(self._lines[name])}")
        return code

    async def _end(self) -> None:
        """Tell all to end, and see to it."""
        for process in list(self._running.values()):
            process.terminate()
        waits = [asyncio.ensure_future(process.wait()) for process in self._running.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=END_WITHIN_S)
            for name, process in list(self._running.items()) if late else ():
                exits.say(f"{name} has not ended within {END_WITHIN_S:g} s, and is killed")
                process.kill()
            await asyncio.gather(*waits)


def _environment() -> dict[str, str]:
    """Nothing that steers this command steers the nodes."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TENURE_NODE_")}


def _shown(line: list[str]) -> str:
    return " ".join(["tenure", *line[3:]])
