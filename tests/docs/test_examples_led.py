"""What the examples promise beside what they print: their jobs start where they should, and stop when they must.

The definitions of an example are run as a module, without the part that starts it; then a lab moves its election.
"""

from __future__ import annotations

import ast
import asyncio
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenure.blocking import Election as BlockingElection
from tenure.testing import ElectionLab
from tenure.testing.blocking import ElectionLab as BlockingElectionLab
from tests.docs.blocks import Block, all_blocks, run

BLOCKS = {block.mark[2]: block for block in all_blocks("python") if block.mark is not None}


def definitions(block: Block) -> Any:
    """The names that the block's program binds; its calls at the top, which start it, are left out."""
    tree = ast.parse(block.program)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Expr)]
    names: dict[str, object] = {"__name__": "an_example"}
    exec(compile(tree, str(block.page), "exec"), names)  # noqa: S102  a page of this repository
    return SimpleNamespace(**names)


def test_the_readmes_job_runs_once_elected(tenure_lab: ElectionLab, capsys: pytest.CaptureFixture[str]) -> None:
    """While somebody else leads it prints nothing; then it does, under the next token."""
    readme = definitions(BLOCKS["readme"])

    async def main() -> None:
        tenure_lab.lead_elsewhere("weekly-report")
        program = asyncio.create_task(readme.main())
        await tenure_lab.wait_standing()
        assert capsys.readouterr().out == ""
        assert await tenure_lab.grant() == 2
        await program

    asyncio.run(main())
    assert capsys.readouterr().out == "leading with token 2\ndone\n"


def test_the_scheduler_of_the_workers_stops(tenure_lab: ElectionLab, capsys: pytest.CaptureFixture[str]) -> None:
    """The lifespan's job ticks in the worker that leads, stops with its tenure, and ticks again under the next one."""
    page = definitions(BLOCKS["workers-lifespan"])

    async def main() -> None:
        async with page.lifespan(None):
            assert await tenure_lab.grant() == 1
            tenure_lab.lead_elsewhere("scheduler")
            await tenure_lab.wait_stopped()
            await tenure_lab.wait_standing()
            assert await tenure_lab.grant() == 3

    asyncio.run(main())
    assert capsys.readouterr().out == "tick under token 1\ntick under token 3\n"


def test_the_scheduler_of_gunicorns_workers_stops(blocking_tenure_lab: BlockingElectionLab) -> None:
    """Its thread, which waits by wait_lost, ends with its tenure, and with its worker."""
    page = definitions(BLOCKS["gunicorn calls these"])
    worker = SimpleNamespace()
    page.post_worker_init(worker)
    assert blocking_tenure_lab.grant() == 1
    blocking_tenure_lab.revoke()
    blocking_tenure_lab.wait_stopped()
    assert blocking_tenure_lab.grant() == 2
    page.worker_exit(None, worker)
    assert BlockingElection("scheduler").leader() is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tenure-stand")]


def test_the_page_on_testing_is_a_test(tmp_path: Path) -> None:
    """What it shows as a test of pytest is one, with the fixture that the installed plugin brings."""
    (tmp_path / "test_page.py").write_text(BLOCKS["test-stops"].program, encoding="utf-8")
    done = run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_page.py"], tmp_path
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
