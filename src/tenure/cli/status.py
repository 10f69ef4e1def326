"""`tenure status`: who leads, since when, and who waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
import msgspec

from tenure.backends.base import Leader, Moved, Standing
from tenure.cli import exits
from tenure.cli.connection import Connection, Where
from tenure.cli.exits import Exit
from tenure.cli.options import ELECTION, at_option, output_option, talk_options
from tenure.cli.output import Format, document, line_of_json, metadata_in_words, plain, rows, when, word, write
from tenure.errors import BackendError


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One election as `status` saw it: "led", "vacant", "moved" or "unknown"; of the last two `error` says more."""

    election: str
    state: str
    leader: Leader | None = None
    token: int | None = None
    """The highest token given so far."""
    candidates: tuple[Standing, ...] = ()
    """Who waits, in the order in which they would be elected."""
    error: str | None = None
    warning: str = ""
    """What keeps everybody from being elected, where nobody leads."""

    @property
    def is_unheard_of(self) -> bool:
        """Whether nobody ever stood for it; then the name may be wrong, or the URL."""
        return self.token == 0 and self.leader is None and not self.candidates


class Status(msgspec.Struct, frozen=True):
    """What `-o json` prints."""

    at: Where
    elections: list[Seen]


@click.command("status")
@click.argument("names", metavar="[NAME]...", nargs=-1, type=ELECTION)
@at_option
@output_option
@talk_options
def command(names: tuple[str, ...], at: str | None, output: Format) -> int:
    """Say who leads the election NAME, with which token, and who waits; without NAME, of every election.

    Ends with 0 where somebody leads each of them, 3 where nobody leads one, 69 where the backend cannot be reached.
    One that has moved to another place counts only where it was named: 78.
    """
    connection = Connection(at)
    looks = _look(connection, names or tuple(connection.elections()))
    seen = [one for one, _ in looks]
    _print(connection.where, seen, output, detailed=len(names) == 1)
    for one in seen:
        exits.say(one.error or "")
        if one.is_unheard_of:
            exits.say(f"nobody ever stood for {one.election!r} at {connection.where.url}; are name and URL right?")
    if not seen:
        exits.say(f"nobody ever stood for an election at {connection.where.url}")
    return max((code for one, code in looks if names or one.state != "moved"), default=Exit.NO)


def _look(connection: Connection, names: tuple[str, ...]) -> list[tuple[Seen, int]]:
    """Look at all of them at once, each with its exit code: the time is that of the slowest, not the sum."""
    under_way = [(name, connection.reading(name)) for name in names]
    looks: list[tuple[Seen, int]] = []
    for name, future in under_way:
        try:
            reading = future.result()
        except Moved as moved:
            looks.append((Seen(election=name, state="moved", token=moved.token, error=str(moved)), Exit.CONFIGURATION))
            continue
        except BackendError as error:
            looks.append((Seen(election=name, state="unknown", error=str(error)), exits.code_of(error) or Exit.FAILURE))
            continue
        seen = Seen(
            election=name,
            state="vacant" if reading.leader is None else "led",
            leader=reading.leader,
            token=reading.token,
            candidates=reading.candidates,
            warning=reading.warning,
        )
        looks.append((seen, Exit.NO if reading.leader is None else Exit.DONE))
    return looks


def _print(where: Where, seen: list[Seen], form: Format, *, detailed: bool) -> None:
    if form == "json":
        document(Status(where, seen))
    elif form == "jsonl":
        for one in seen:
            line_of_json(msgspec.to_builtins(one) | {"at": where.url})
    elif detailed:
        rows([*_details(seen[0]), ("at", str(where))])
    elif seen:
        heads = ("ELECTION", "STATE", "LEADER", "SINCE", "TOKEN", "CANDIDATES", "WARNING")
        rows([heads, *map(_row, seen)])
        write(f"at {where}")
    else:
        write(f"at {where}")


def _row(one: Seen) -> tuple[str, ...]:
    return (
        one.election,
        word(one.state),
        plain(one.leader.candidate) if one.leader else "-",
        when(one.leader.since if one.leader else None),
        "-" if one.token is None else str(one.token),
        str(len(one.candidates)),
        plain(one.leader.warning if one.leader else one.warning),
    )


def _details(one: Seen) -> list[tuple[str, str]]:
    lines = [("election", one.election), ("state", word(one.state))]
    names = _told_apart([one.leader, *one.candidates])
    if one.leader is not None:
        lines.append(("leader", next(names)))
        lines.append(("since", when(one.leader.since)))
        lines += [(plain(key), plain(value)) for key, value in sorted(one.leader.metadata.items())]
        if one.leader.value is not None:
            lines.append(("value", plain(one.leader.value)))
        if one.leader.warning:
            lines.append(("warning", plain(one.leader.warning)))
    if one.warning:
        lines.append(("warning", plain(one.warning)))
    if one.token is not None:
        lines.append(("token", str(one.token)))
    for place, standing in enumerate(one.candidates, start=1):
        about = [next(names), f"priority={standing.priority}", metadata_in_words(standing)]
        lines.append((f"candidate {place}", " ".join(filter(None, about))))
    return lines


def _told_apart(all_of_them: Sequence[Leader | Standing | None]) -> Iterator[str]:
    """Their names, numbered where several bear the same."""
    names = [one.candidate for one in all_of_them if one is not None]
    for place, name in enumerate(names):
        several = names.count(name)
        which = f" ({names[: place + 1].count(name)} of {several} of this name)" if several > 1 else ""
        yield f"{plain(name)}{which}"
