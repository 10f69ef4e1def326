"""Code blocks of the pages: what each says it is, and running it."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.tree import fences, pages, text

LIMIT_S = 30
MARK = re.compile(r"# (example|fragment): (\S.*)$")


@dataclasses.dataclass(frozen=True)
class Block:
    """One fenced block of a page, and the `text` block that follows it directly, if there is one."""

    page: Path
    line: int
    language: str
    lines: tuple[str, ...]
    expected: str | None

    @property
    def mark(self) -> re.Match[str] | None:
        """The first line, if it says what the block is."""
        return MARK.match(self.lines[0]) if self.lines else None

    @property
    def kind(self) -> str:
        """What the block says it is: example, fragment or nothing; a console block that says nothing is an example."""
        if self.mark is not None:
            return self.mark[1]
        return "example" if self.language == "console" else ""

    @property
    def program(self) -> str:
        """The block without its mark."""
        return "\n".join(self.lines[1 if self.mark else 0 :]) + "\n"

    def __str__(self) -> str:
        name = self.mark[2] if self.mark is not None and self.kind == "example" else f"line-{self.line}"
        return f"{self.page}:{name}"


def blocks_of(page: Path, content: str) -> Iterator[Block]:
    """The code blocks of one page, in order."""
    found = list(fences(content))
    rows = content.splitlines()
    for index, (line, info, lines) in enumerate(found):
        expected = None
        if index + 1 < len(found) and found[index + 1][1] == "text":
            between = rows[line + len(lines) + 1 : found[index + 1][0] - 1]
            if not any(row.strip() for row in between):
                expected = "\n".join(found[index + 1][2])
        yield Block(page, line, info.split()[0] if info else "", tuple(lines), expected)


def all_blocks(*languages: str) -> list[Block]:
    """Every block in one of `languages`, of every page."""
    return [block for page in pages() for block in blocks_of(page, text(page)) if block.language in languages]


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is `expected`, in which `...` stands for anything; spaces at the ends of lines do not count."""
    pattern = ".*".join(re.escape(part) for part in _trimmed(expected).split("..."))
    return re.fullmatch(pattern, _trimmed(printed), re.DOTALL) is not None


def _trimmed(output: str) -> str:
    return "\n".join(line.rstrip() for line in output.strip().splitlines())


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with what the page says it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in block.program.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in found]


def environment(folder: Path) -> dict[str, str]:
    """The environment of an example: its elections live in `folder`, and nothing of the caller's tenure settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
    tools = str(Path(sys.executable).parent)
    return kept | {"TENURE_URL": f"file://{folder}", "PATH": f"{tools}{os.pathsep}{kept.get('PATH', '')}"}


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one example with elections in `folder/elections`; after the limit it and all that it started are killed."""
    elections = folder / "elections"
    elections.mkdir(exist_ok=True)
    with subprocess.Popen(
        arguments,
        cwd=folder,
        env=environment(elections),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed, complained = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired as overrun:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"{arguments} still ran after {LIMIT_S} s; every example ends by itself") from overrun
    return subprocess.CompletedProcess(arguments, process.returncode, printed, complained)


def run_program(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python example in a new interpreter, with every warning an error."""
    program = folder / "example.py"
    program.write_text(block.program, encoding="utf-8")
    return run([sys.executable, "-W", "error", "-X", "dev", str(program)], folder)


def run_command(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one line of a console example, without a shell."""
    return run(shlex.split(command), folder)
