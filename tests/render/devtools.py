"""A browser that tests drive: chromium without a window, by its DevTools protocol over two pipes.

https://chromedevtools.github.io/devtools-protocol/: commands and events are JSON, each ended by a zero byte, on the
file descriptors 3 and 4 of the browser.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LIMIT_S = 60.0
"""For any one answer of the browser; a loaded machine takes seconds to start it."""
ABOVE = 10
"""File descriptors from here on are out of the way of those that the browser gets."""
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
    "--disable-sync", "--hide-scrollbars", "--force-device-scale-factor=1", "--window-size=1400,1600",
)  # fmt: skip  # a flag a line would fill the page


class Failed(AssertionError):
    """The browser refused a command, ended, or did not answer in time."""


class Browser:
    """One process of chromium. Use `started`."""

    def __init__(self, pid: int, to_browser: int, from_browser: int) -> None:
        self.pid = pid
        self.events: list[dict[str, Any]] = []
        self._to_browser, self._from_browser = to_browser, from_browser
        self._rest = b""
        self._commands = 0

    def command(self, method: str, session: str = "", **params: object) -> dict[str, Any]:
        """Give a command and wait for its answer; events that come meanwhile are kept."""
        self._commands += 1
        number = self._commands
        message: dict[str, object] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + LIMIT_S
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            if "method" in answer:
                self.events.append(answer)

    def wait_for(self, method: str) -> dict[str, Any]:
        """The first event of this name since the events were last cleared."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            for event in self.events:
                if event["method"] == method:
                    return event
            self.events.append(self._next(deadline, method))

    def _next(self, deadline: float, waiting_for: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from_browser], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise Failed(f"the browser did not answer {waiting_for} in {LIMIT_S} s")
            read = os.read(self._from_browser, 1 << 20)
            if not read:
                raise Failed(f"the browser ended while {waiting_for} was waited for")
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """End it, and everything that it started."""
        with contextlib.suppress(Failed, OSError):
            self.command("Browser.close")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # a group of its own, made by `started`
        os.waitpid(self.pid, 0)
        os.close(self._to_browser)
        os.close(self._from_browser)


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """A browser with a profile of its own, both gone at the end."""
    program = shutil.which("chromium")
    assert program is not None
    profile = tempfile.mkdtemp(prefix="tenure-browser-")
    to_read, to_write = _pipe()
    from_read, from_write = _pipe()
    flags = [*FLAGS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    pid = os.posix_spawn(
        program,
        [program, *flags, "about:blank"],
        {**os.environ, "HOME": profile},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, to_read, 3),
            (os.POSIX_SPAWN_DUP2, from_write, 4),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setpgroup=0,
    )
    os.close(to_read)
    os.close(from_write)
    browser = Browser(pid, to_write, from_read)
    try:
        yield browser
    finally:
        browser.close()
        shutil.rmtree(profile, ignore_errors=True)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are out of the way of 3 and 4, and are not inherited."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, ABOVE) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


class Page:
    """One page of a browser, loaded from a file."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._target = browser.command("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.command("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session: str = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **params: object) -> dict[str, Any]:
        return self._browser.command(method, self._session, **params)

    def load(self, path: Path) -> None:
        """Go to a file, and wait until it has loaded."""
        self._browser.events.clear()
        self.command("Page.navigate", url=path.as_uri())
        self._browser.wait_for("Page.loadEventFired")

    def close(self) -> None:
        self._browser.command("Target.closeTarget", targetId=self._target)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to; a promise is waited for."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Failed(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait, by the browser's own frames, until a JavaScript condition holds."""
        look = f"const look = () => ({condition}) ? resolve(true) : setTimeout(look, 10); look();"
        assert self.value(f"new Promise((resolve) => {{ {look} }})")

    def click(self, selector: str) -> None:
        """Press the left button in the middle of an element."""
        x, y = self.middle(selector)
        self.press(x, y)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where an element is in the window, scrolled to."""
        self.value(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        where = f"document.querySelector({selector!r}).getBoundingClientRect()"
        box = self.value(f"(({{x, y, width, height}}) => [x, y, width, height])({where})")
        return box[0] + box[2] / 2, box[1] + box[3] / 2

    def press(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key: str, code: str = "") -> None:
        """Press a key, where the focus is."""
        text = {"text": key} if len(key) == 1 else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, code=code or key, **text)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key, code=code or key)

    def media(self, **features: str) -> None:
        """What the user has asked for: prefers_reduced_motion="reduce" and the like."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.command("Emulation.setEmulatedMedia", features=named)

    def complaints(self) -> list[str]:
        """Errors, exceptions and refusals since the page was loaded."""
        found = []
        for event in self._browser.events:
            params = event.get("params", {})
            match event["method"]:
                case "Runtime.exceptionThrown":
                    found.append(str(params["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                    found.append(str(params["args"]))
                case "Log.entryAdded":
                    found.append(str(params["entry"]["text"]))
                case _:
                    continue
        return found

    def requests(self) -> list[str]:
        """Every address that was asked for since then."""
        sent = [event for event in self._browser.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]
