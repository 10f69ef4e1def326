"""What waits in Python code behind a lock can be left locked by a signal's exception; `tenure.bell` says how."""

from __future__ import annotations

import ast

from tests.tidy.tree import parse, python_files

WRITTEN_IN_PYTHON = {
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Future",
    "LifoQueue",
    "PriorityQueue",
    "Queue",
    "Semaphore",
    "run_coroutine_threadsafe",
}
"""Made by calling them; those of asyncio belong to one thread and have no lock."""

# Which files make one all the same, and why the keeper of a user's program never meets it.
MAY_MAKE_ONE: dict[str, str] = {
    "src/tenure/cli/run/talk.py": "in the command's own process, between its main thread and a thread for stderr",
    "src/tenure/demo/cluster/links.py": "in the demonstration's own process, which no candidate is",
    "src/tenure/demo/naive.py": "in the demonstration's own process; it shows what people write by hand",
}


def made(source: ast.Module) -> set[str]:
    """What a module makes of those."""
    found = set[str]()
    for node in ast.walk(source):
        if not isinstance(node, ast.Call):
            continue
        match node.func.value if isinstance(node.func, ast.Subscript) else node.func:
            case ast.Attribute(value=ast.Name(id="asyncio"), attr=name):
                found |= {name} & {"run_coroutine_threadsafe"}
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found |= {name} & WRITTEN_IN_PYTHON
            case _:
                continue
    return found


def test_no_lock_that_is_written_in_python_can_stop_the_keeper() -> None:
    """Whatever user code waits for is a `Bell`, an `Answer`, or behind a raw lock."""
    assert {str(path) for path in python_files("src") if made(parse(path))} == set(MAY_MAKE_ONE)


def test_it_is_found_however_it_is_written() -> None:
    """By name and as an attribute, but not those of asyncio."""
    assert made(ast.parse("threading.Event(); Future[int](); Condition()")) == {"Event", "Future", "Condition"}
    assert made(ast.parse("asyncio.run_coroutine_threadsafe(c, l)")) == {"run_coroutine_threadsafe"}
    assert made(ast.parse("asyncio.Event(); x.acquire()")) == set()
