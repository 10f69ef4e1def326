"""What the page on containers says of process 1, and of directories that namespaces share."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.blocks import environment

LIMIT_S = 60.0
pytestmark = [
    pytest.mark.serial,
    pytest.mark.needs("unshare"),
    pytest.mark.may_skip("namespaces are not to be had everywhere"),
]


def namespaces() -> list[str]:
    """What gives a command process and mount namespaces of its own; who is not root needs a user namespace for that."""
    more = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *more, "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.fixture(autouse=True)
def _namespaces_are_to_be_had() -> None:
    if not shutil.which("unshare"):
        return
    done = subprocess.run([*namespaces(), "true"], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        pytest.skip(f"missing here: process namespaces ({done.stderr.strip()})")


class Container:
    """`tenure run` as process 1 of namespaces of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._outside = process

    def line(self) -> str:
        """The next line of the job."""
        assert self._outside.stdout is not None
        return self._outside.stdout.readline().strip()

    def says_within(self, limit_s: float) -> bool:
        """Whether the job says something in that time: a wait for what must not happen."""
        assert self._outside.stdout is not None
        return bool(select.select([self._outside.stdout], [], [], limit_s)[0])

    def stop(self) -> int:
        """SIGTERM to process 1, as `docker stop` sends it; the code with which the container ends."""
        os.kill(self.process_1, signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to process 1: the kernel ends all the others."""
        os.kill(self.process_1, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """The code with which the container ends."""
        return self._outside.wait(LIMIT_S)

    @property
    def process_1(self) -> int:
        """Its pid as seen from outside."""
        children = Path(f"/proc/{self._outside.pid}/task/{self._outside.pid}/children").read_text(encoding="ascii")
        (child,) = children.split()
        return int(child)


@contextmanager
def container(folder: Path, url: str, *command: str) -> Iterator[Container]:
    """Run a container whose command is `tenure run job -- COMMAND`."""
    folder.mkdir(exist_ok=True)
    arguments = [*namespaces(), sys.executable, "-m", "tenure", "run", "-q", "--at", url, "job", "--", *command]
    with subprocess.Popen(
        arguments, env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Container(process)
        finally:
            process.kill()


def test_sigterm_to_process_1_tells_the_job_and_ends_with_its_code(tmp_path: Path) -> None:
    """A signal without a handler is not delivered to process 1: there must be one."""
    job = "trap 'echo told; exit 3' TERM; echo up $$; while :; do sleep 0.05; done"
    with container(tmp_path, tmp_path.as_uri(), "sh", "-c", job) as one:
        assert one.line().startswith("up")
        assert one.stop() == 3
        assert one.line() == "told"


def test_what_the_job_leaves_behind_is_reaped(tmp_path: Path) -> None:
    """Its orphans become the guardian's children; when they end no zombie of them is left."""
    job = (
        "for i in 1 2 3 4 5; do sh -c 'sleep 0.1 & echo $! >>orphans'; done;"
        "while for p in $(cat orphans); do [ -e /proc/$p ] && break; done; [ -e /proc/$p ]; do sleep 0.05; done;"
        "echo none is left"
    )
    (tmp_path / "work").mkdir()
    with container(tmp_path, tmp_path.as_uri(), "sh", "-c", f"cd {tmp_path}/work; {job}") as one:
        assert one.line() == "none is left"
        assert one.wait() == 0


@pytest.mark.parametrize("scheme", ["file", "lease"])
def test_containers_elect_in_a_directory_of_the_host(tmp_path: Path, scheme: str) -> None:
    """Neither sees the other's processes, and both are process 1; who is killed is followed."""
    url = f"{scheme}://{tmp_path}/elections" + ("?lease=2s" if scheme == "lease" else "")
    job = ("sh", "-c", "echo leading $TENURE_TOKEN; exec sleep 1000")
    with container(tmp_path, url, *job) as one:
        assert one.line() == "leading 1"
        with container(tmp_path, url, *job) as two:
            assert not two.says_within(1.0), "one leads, and only one"
            one.kill()
            assert two.line() in {"leading 2", "leading 3"}, "a crash may skip a token"
            assert two.stop() == 128 + signal.SIGTERM


def test_a_pod_is_refused_the_bare_default(tmp_path: Path) -> None:
    """With the exit code that the page says; a URL that means it is taken."""
    pod = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    command = [sys.executable, "-m", "tenure", "run", "-q", "job"]
    codes = [
        subprocess.run([*command, *at, "--", "true"], env=pod, capture_output=True, timeout=LIMIT_S, check=False)
        for at in ([], ["--at", "file://"])
    ]
    assert [done.returncode for done in codes] == [78, 0]
