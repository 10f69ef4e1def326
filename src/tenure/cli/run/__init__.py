"""`tenure run NAME -- COMMAND...`: run a command on exactly one of many."""

from __future__ import annotations

import errno
import os
import resource
import socket
import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from tenure.cli.exits import Exit, Stop
from tenure.cli.options import CANDIDATE, DURATION, at_option, is_quiet, name_argument, talk_options
from tenure.errors import ConfigurationError
from tenure.supervise import CommandNotExecutable, CommandNotFound, Guardian
from tenure.supervise.deadline_file import check_place
from tenure.supervise.processes import identify

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tenure.cli.run.policy import Restart

KILL_S = 0.5
"""What killing takes on top of the grace that the job gets, on a machine under load; a short lease has less for it."""
KILL_SHARE = 1 / 40
"""The most of a lease that killing may take: what the default grace leaves for it, a tenth of a quarter."""
DESCRIPTORS = 32
"""So many must be left; a standby has 15 open, and some more while it loads its modules and runs --on-lost."""


class _Run(click.Command):
    """Knows that an unknown option may be the job's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if "--" in given:
                raise
            said = error.format_message().rstrip(".")
            raise click.UsageError(
                f"{said}; options of the command come after `--`: tenure run NAME -- COMMAND {error.option_name}", ctx
            ) from None


@click.command("run", cls=_Run, short_help="Run a command while this process leads.")
@name_argument
@click.argument("command_line", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@at_option
@click.option("--candidate", metavar="NAME", type=CANDIDATE, help="Who stands; default: host and process number.")
@click.option("--priority", type=int, default=0, show_default=True, help="The higher is elected first.")
@click.option("--lease", type=DURATION, help="The lease to ask for, where the backend gives leases.")
@click.option("--grace", type=DURATION, help="Time between telling the job to end and killing it; default 9 s.")
@click.option("--takeover-delay", type=DURATION, default=0.0, help="Wait before leading after an unclean end.")
@click.option("--once", is_flag=True, help="End with 75 when the tenure is lost, instead of standing again.")
@click.option(
    "--restart",
    type=click.Choice(["never", "on-failure", "always"]),
    default="never",
    show_default=True,
    help="Run the job again after it ended, under the same tenure.",
)
@click.option("--hold", type=DURATION, default=0.0, help="Keep leading for so long after the job has ended.")
@click.option("--wait", "wait", type=DURATION, help="Give up with 124 when not elected for so long.")
@click.option("--no-wait", is_flag=True, help="Give up at once with 124 when somebody else leads.")
@click.option("--on-lost", metavar="CMD", help="A shell command to run after a loss, when the job has ended.")
@click.option("--http", metavar="HOST:PORT", help="Serve health and metrics there, such as 127.0.0.1:8080.")
@talk_options
def command(  # noqa: PLR0917  click hands over every option by name
    name: str,
    command_line: tuple[str, ...],
    at: str | None,
    candidate: str | None,
    priority: int,
    lease: float | None,
    grace: float | None,
    takeover_delay: float,
    once: bool,
    restart: Restart,
    hold: float,
    wait: float | None,
    no_wait: bool,
    on_lost: str | None,
    http: str | None,
) -> None:
    """Lead election NAME and run COMMAND meanwhile; stand by while somebody else leads.

    The command ends before anybody else can lead, with everything it has started. `run` ends with its exit code.
    """
    wait_s = _wait_s(wait, no_wait=no_wait)
    _refuse_where_nothing_can_run()
    guardian = Guardian.fork()  # before asyncio is imported, and before any thread: see tenure.supervise.job
    try:
        _prepare(command_line[0], at)
        import asyncio

        from tenure.cli.run.job_election import JobElection
        from tenure.cli.run.policy import Policy
        from tenure.cli.run.wrapper import Wrapper

        election = JobElection(
            guardian,
            name,
            at,
            candidate=candidate,
            metadata={"host": socket.gethostname(), "pid": str(os.getpid())},
            priority=priority,
            lease=lease,
            grace=None if grace is None else grace + _kill_s(lease),
            takeover_delay=takeover_delay,
            scope="user",  # within one process every `run` would elect itself
        )
        policy = Policy(
            once=once,
            restart=restart,
            hold_s=hold,
            wait_s=wait_s,
            on_lost=on_lost,
            quiet=is_quiet(),
        )
        job_grace_s = election.grace_s * 0.9 if grace is None else grace
        work = Wrapper(guardian, election, command_line, policy, job_grace_s).main()
        code = asyncio.run(work if http is None else _served(work, http, quiet=policy.quiet))
    finally:
        guardian.close()
    sys.exit(code)


def _kill_s(lease: float | None) -> float:
    """How long killing may take, in seconds."""
    return KILL_S if lease is None else min(KILL_S, lease * KILL_SHARE)


async def _served(work: Coroutine[Any, Any, int], address: str, *, quiet: bool) -> int:
    """Do `work` while health is served; imported here, because a standby that does not serve need not have it."""
    from tenure.cli.exits import say
    from tenure.health import serve_health

    try:
        health = serve_health(address)
    except BaseException:  # it goes on as it is: what was never begun must not be warned of
        work.close()
        raise
    async with health:
        if not quiet:
            say(f"serving health at {health.url}")
        return await work


def _prepare(program: str, at: str | None) -> None:
    """What comes after the fork, because the guardian need not have what is imported for it, and before the rest."""
    from tenure.backends import registry
    from tenure.cli.run.event_loop import load_asyncio
    from tenure.cli.run.talk import Talk

    _refuse_what_cannot_run(program)
    Talk.take_over()
    load_asyncio(tls=registry.resolve(at).scope == "cluster")


def _wait_s(wait: float | None, *, no_wait: bool) -> float | None:
    """How long to stand by, None for ever. Of two options that exclude each other, too, the typed one counts."""
    source = click.get_current_context().get_parameter_source
    typed = [name for name in ("wait", "no_wait") if source(name) is ParameterSource.COMMANDLINE]
    if wait is not None and no_wait and len(typed) != 1:
        raise click.UsageError("--wait and --no-wait exclude each other; --no-wait is --wait 0")
    return 0.0 if no_wait and typed != ["wait"] else wait


def _refuse_where_nothing_can_run() -> None:
    """Whoever would be elected in vain does not stand."""
    _refuse_few_descriptors()
    if identify(os.getpid()) is None:
        raise ConfigurationError(
            "/proc shows no processes, so nobody could tell what the job has started; nothing was started; "
            "mount it: mount -t proc proc /proc"
        )
    check_place()


def _refuse_few_descriptors() -> None:
    """Where they run out in the middle, each part of the interpreter fails in its own words."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = limit - len(os.listdir("/proc/self/fd")) + 1  # noqa: PTH208  only counted; one is the listing's own
    if limit != resource.RLIM_INFINITY and left < DESCRIPTORS:
        raise Stop(
            Exit.TENURE_FAILED,
            f"{left} descriptors are left to this process (RLIMIT_NOFILE is {limit}), and `tenure run` needs "
            f"{DESCRIPTORS}; nothing was started; raise the limit: ulimit -n 256",
        )


def _refuse_what_cannot_run(program: str) -> None:
    """The same, for what the command itself shows. By hand: with `shutil.which` come compressors, half a mebibyte."""
    folders = [""] if os.sep in program else os.get_exec_path()
    found = [path for folder in folders if os.access(path := os.path.join(folder, program), os.F_OK)]  # noqa: PTH118  plain strings
    files = [path for path in found if not os.path.isdir(path)]  # noqa: PTH112  the same
    if any(os.access(path, os.X_OK) for path in files):
        return
    if files:
        raise CommandNotExecutable(program, errno.EACCES)
    if found and os.sep in program:
        raise CommandNotExecutable(program, errno.EISDIR)
    raise CommandNotFound(program)
