"""`tenure check`: whether a history of concurrent clients is linearizable, and which part of it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tenure.cli import exits
from tenure.cli.laboratory import seconds_in_words
from tenure.cli.options import DURATION, output_option
from tenure.cli.output import Format, document, line_of_json, plain, rows, write
from tenure.cli.pictures import OutputFile, refuse_missing_folder

if TYPE_CHECKING:
    from tenure.render.operations import Bar
    from tenure.simulator.history import Operation
    from tenure.simulator.linearizability import Verdict
    from tenure.simulator.linearizability.histories import History

SUFFIXES = (".svg", ".html")
MIB = 1 << 20


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What `-o json` prints."""

    file: str
    verdict: str
    """"linearizable", "not linearizable" or "undecided"."""
    operations: int
    keys: int
    steps: int
    instants: str
    """What `invoked_ns` and `completed_ns` of the operations count: "ns", or "lines" of a history of Jepsen's."""
    why: str | None = None
    """Of an undecided one: which limit was reached."""
    key: str | None = None
    """Of one that is not linearizable: where; `part` is the shortest part that is none."""
    part: list[Operation] = []
    order: list[Operation] = []
    """As many of `part` as can be done, in an order that fits."""
    blocked: Operation | None = None
    """The one that fits nowhere."""
    holds: Any = None
    """What the register holds after `order`."""
    is_smallest: bool | None = None


def _checked(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Refuse before anything is read what could not be written after it."""
    if value is not None and value.suffix not in SUFFIXES:
        raise click.BadParameter(
            f"{value}: a picture is {' or '.join(SUFFIXES)}; name it {value.with_suffix('.html')}", ctx, param
        )
    refuse_missing_folder(value)
    return value


@click.command("check")
@click.argument("file", metavar="HISTORY", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--limit", "limit_s", type=DURATION, default="60s", show_default=True, help="Of time; then: undecided.")
@click.option(
    "--memory",
    "memory_mib",
    type=click.IntRange(1, 1 << 20),
    default=1024,
    show_default=True,
    metavar="MIB",
    help="Of memory, beside the history itself; then: undecided.",
)
@click.option(
    "--picture",
    type=OutputFile(),
    callback=_checked,
    metavar="FILE",
    help="Draw it, or its shortest failing part, as FILE.svg or FILE.html.",
)
@output_option
def command(file: Path, limit_s: float, memory_mib: int, picture: Path | None, output: Format) -> None:
    """Say whether a history of concurrent clients is that of one register for each key (linearizable).

    HISTORY has one operation as JSON a line, or is one of Jepsen's, of a register. Ends with 0 if it is, with 1 if
    it is not, and with 3 if a limit was reached first. Try it: tenure check history.edn --picture failure.svg
    """
    from tenure.simulator.linearizability import HistoryError, Outcome, check, histories

    try:
        history = histories.read(file)
        verdict = check(history.operations, limit_s=limit_s, limit_memory=memory_mib * MIB)
    except HistoryError as error:
        raise exits.Stop(exits.Exit.DATA, str(error)) from error
    except OSError as error:
        if exits.code_of(error) == exits.Exit.FAILURE:  # as below; and it is not the output that fails
            why = f"{plain(str(file))} cannot be read ({error.strerror}): copy it to another disk"
            raise exits.Stop(exits.Exit.TENURE_FAILED, why) from error
        raise
    try:
        if picture is not None:
            _draw(history, verdict, picture)
        _print(file, history, verdict, output)
    except OSError as error:
        if exits.code_of(error) == exits.Exit.FAILURE:  # which would say that the history is not linearizable
            raise exits.Stop(exits.Exit.TENURE_FAILED, exits.message_of(error)) from error
        raise
    if verdict.failure is not None:
        raise exits.Stop(exits.Exit.FAILURE, f"not linearizable: key {plain(verdict.failure.key)}")
    if verdict.outcome is Outcome.UNDECIDED:
        raise exits.Stop(exits.Exit.NO, f"undecided: {plain(verdict.why)}; raise it by --limit or --memory")


def _print(file: Path, history: History, verdict: Verdict, output: Format) -> None:
    if output != "table":
        (document if output == "json" else line_of_json)(_found(file, history, verdict))
        return
    facts = [
        ("history", plain(str(file))),
        ("operations", f"{verdict.operations}, of {verdict.keys} {'key' if verdict.keys == 1 else 'keys'}"),
        ("verdict", verdict.outcome.value),
    ]
    rows([*facts, ("why", plain(verdict.why))] if verdict.why else facts)
    failure = verdict.failure
    if failure is None:
        return
    write("")
    write(_headline(verdict))
    lines = [("CLIENT", "OPERATION", "FROM", "TO", "PLACE")]
    for bar in _bars(history, failure.part, [failure.order], verdict):
        place = f"none: {bar.blocked}" if bar.blocked else "-" if bar.place is None else str(bar.place)
        lines.append((bar.lane, bar.label, bar.begin_text, bar.end_text, place))
    rows(lines)


def _headline(verdict: Verdict) -> str:
    failure = verdict.failure
    assert failure is not None, "it is not linearizable"
    name = "shortest failing part" if failure.is_smallest else "failing part, as short as the limits let it become"
    count = f"{len(failure.part)} of the first {failure.prefix} operations of key {plain(failure.key)}"
    return f"{name}: {count}"


def _found(file: Path, history: History, verdict: Verdict) -> Found:
    failure = verdict.failure
    found = Found(
        file=str(file),
        verdict=verdict.outcome.value,
        operations=verdict.operations,
        keys=verdict.keys,
        steps=verdict.steps,
        instants="lines" if history.has_lines else "ns",
        why=verdict.why or None,
    )
    if failure is None:
        return found
    return msgspec.structs.replace(
        found,
        key=failure.key,
        part=list(failure.part),
        order=list(failure.order),
        blocked=failure.blocked,
        holds=failure.holds,
        is_smallest=failure.is_smallest,
    )


def _draw(history: History, verdict: Verdict, path: Path) -> None:
    from tenure.render import operations as render

    failure = verdict.failure
    name = plain(path.stem)
    if failure is None:
        title, findings = f"{name}: {verdict.outcome.value}", [plain(verdict.why)] if verdict.why else []
        bars = _bars(history, history.operations, list(verdict.orders.values()), verdict)
    else:
        title, findings = f"{name}: not linearizable", [_headline(verdict)]
        bars = _bars(history, failure.part, [failure.order], verdict)
        findings += [f"Fits nowhere: {bar.label} of client {bar.lane}; {bar.blocked}." for bar in bars if bar.blocked]
    if not bars:
        raise exits.Stop(exits.Exit.DATA, "no operation of this history is known to have happened: nothing is drawn")
    drawing: Callable[[str, Sequence[str], Sequence[Bar]], str] = render.svg if path.suffix == ".svg" else render.html
    path.write_text(drawing(title, findings, bars), encoding="utf-8")


def _bars(
    history: History, operations: Sequence[Operation], orders: Sequence[Sequence[Operation]], verdict: Verdict
) -> list[Bar]:
    """The operations as they are told and drawn, by invocation. Places are counted in each key apart."""
    from tenure.render.operations import Bar

    places = {id(one): place for order in orders for place, one in enumerate(order, start=1)}
    failure = verdict.failure

    def instant(value: int) -> str:
        return f"line {value}" if history.has_lines else seconds_in_words(value)

    def blocked(one: Operation) -> str:
        if failure is None or one is not failure.blocked:
            return ""
        return f"{plain(failure.key)} holds {_shown(failure.holds)}"

    return [
        Bar(
            lane=str(one.client),
            label=_label(one, with_key=verdict.keys > 1 and failure is None),
            begin=one.invoked_ns,
            end=one.completed_ns,
            begin_text=instant(one.invoked_ns),
            end_text="?" if one.completed_ns is None else instant(one.completed_ns),
            place=places.get(id(one)),
            blocked=blocked(one),
        )
        for one in sorted(operations, key=lambda one: one.invoked_ns)
    ]


def _label(one: Operation, *, with_key: bool) -> str:
    match one.kind:
        case "read":
            told = "read" if one.completed_ns is None else f"read {_shown(one.result)}"
        case "write":
            told = f"write {_shown(one.argument[0])}"
        case _:
            expected, new = map(_shown, one.argument)
            told = f"cas {expected} to {new}" + (" failed" if one.result is False else "")
    return f"{plain(one.key)}: {told}" if with_key else told


def _shown(value: Any) -> str:
    """A value in a few characters, as JSON has it; nothing is nil, as Jepsen has it."""
    text = "nil" if value is None else plain(msgspec.json.encode(value).decode())
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004  so many fit into a line beside the others
