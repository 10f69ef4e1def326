"""The unit on the page is one that systemd takes, says what the page says, and its command does what a unit wants."""

from __future__ import annotations

import configparser
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tenure.blocking import Election
from tenure.cli.exits import Exit
from tenure.durations import seconds
from tests.docs.blocks import all_blocks, environment
from tests.tidy.tree import ROOT, text

PAGE = Path("docs/how-to/run-under-systemd.md")
(UNIT,) = (block for block in all_blocks("ini") if block.page == PAGE)
LIMIT_S = 60.0
REPORT = "#!/bin/sh\necho $TENURE_CANDIDATE $TENURE_TOKEN\nwhile :; do sleep 0.05; done\n"


class UnitParser(configparser.RawConfigParser):
    """Sections and keys as systemd writes them; one that stands twice is an error."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit() -> configparser.RawConfigParser:
    """The unit of the page."""
    parser = UnitParser(delimiters=["="], comment_prefixes=["#"])
    parser.read_string(UNIT.program)
    return parser


@contextmanager
def instance(number: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The ExecStart line as systemd would run it for report@number, with programs and a directory of the test's own."""
    service = unit()["Service"]
    (folder / "elections").mkdir(exist_ok=True)
    report = folder / "report"
    if not report.exists():
        report.write_text(REPORT, encoding="utf-8")
        report.chmod(0o755)
    words = shlex.split(service["ExecStart"].replace("%i", number))
    assert (words[0], words[-1]) == ("/usr/local/bin/tenure", "/usr/local/bin/report")
    command = [sys.executable, "-m", "tenure", *words[1:-1], str(report)]
    with subprocess.Popen(
        command, env=environment(folder / "elections"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    """What the job says first."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_unit_has_the_sections_of_a_service() -> None:
    """And the URL is in the directory that systemd makes for it, which outlives a reboot."""
    service = unit()["Service"]

    assert unit().sections() == ["Unit", "Service", "Install"]
    assert (service["Type"], service["KillMode"]) == ("exec", "mixed")
    assert service["Environment"] == f"TENURE_URL=file:///var/lib/{service['StateDirectory']}"
    assert "RuntimeDirectory" not in service


def test_systemd_waits_for_longer_than_the_grace(tmp_path: Path) -> None:
    """The page names the default, which is that of `tenure run`: nine tenths of what an election gives."""
    stated = re.search(r"its grace \(([0-9.]+) s by default", text(PAGE))
    assert stated is not None
    assert float(stated[1]) == pytest.approx(Election("e", tmp_path.as_uri()).grace_s * 0.9)
    assert seconds(unit()["Service"]["TimeoutStopSec"]) > float(stated[1])


def test_what_is_not_restarted_are_codes_that_no_restart_mends() -> None:
    """Each is a code of the command's own, and the page on exit codes has the same line."""
    line = f"RestartPreventExitStatus={unit()['Service']['RestartPreventExitStatus']}"
    codes = {int(code) for code in line.partition("=")[2].split()}

    assert codes == {Exit.USAGE, Exit.NOT_ALLOWED, Exit.CONFIGURATION, Exit.NOT_EXECUTABLE, Exit.NOT_FOUND}
    assert line in (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")


@pytest.mark.needs("systemd-analyze")
@pytest.mark.may_skip("systemd does not run everywhere")
def test_systemd_has_nothing_against_the_unit(tmp_path: Path) -> None:
    """Its own check of a unit file, with programs that are there."""
    program = UNIT.program.replace("/usr/local/bin/tenure", "/bin/sh").replace("/usr/local/bin/report", "/bin/sh")
    program = program.replace("User=report", "User=root")
    path = tmp_path / "report@.service"

    assert said_of(path, program) == ""
    assert "exact" in said_of(path, program.replace("Type=exec", "Type=exact"))


def said_of(path: Path, content: str) -> str:
    """What systemd-analyze says of a unit."""
    path.write_text(content, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return "\n".join(line for line in done.stderr.splitlines() if path.name in line)


def test_two_instances_exclude_one_another_and_stop_as_the_unit_says(tmp_path: Path) -> None:
    """One works; stopped, it ends with the code that is no failure, and the other one takes over; then a crash."""
    with instance("1", tmp_path) as one:
        assert first_line(one) == "report-1 1"
        with instance("2", tmp_path) as two:
            one.send_signal(signal.SIGTERM)  # KillMode=mixed: to the main process alone
            assert str(one.wait(LIMIT_S)) == unit()["Service"]["SuccessExitStatus"]
            assert first_line(two) == "report-2 2"
            with instance("1", tmp_path) as again:
                two.kill()
                assert re.fullmatch("report-1 [34]", first_line(again)), "a crash may skip a token"
                again.terminate()
                again.wait(LIMIT_S)
