"""Every example in the README and the documentation runs, and prints what the page says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.docs.blocks import Block, all_blocks, blocks_of, commands, matches, run_command, run_program

PYTHON = all_blocks("python")
CONSOLE = all_blocks("console")
PAGE = Path("page.md")

# Languages in which code would escape from being run.
UNCHECKED = ("py", "python3", "pycon", "sh", "bash", "shell", "{code-block}")


def complaint(block: Block) -> str | None:
    """Why a block is not as the pages' rules want it, or None."""
    if block.language in UNCHECKED:
        return "use ```python or ```console, so that it is run"
    if block.language == "python" and not block.kind:
        return "the first line must be `# example: NAME` or `# fragment: why`"
    if block.language == "python":
        try:
            compile(block.program, str(block.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
        except SyntaxError as error:
            return f"not valid Python: {error}"
    if block.language == "console" and block.kind == "example":
        strangers = [command for command, _ in commands(block) if command.split()[0] != "tenure"]
        if strangers or not commands(block):
            return f"only `$ tenure ...` lines are run, not {strangers}; or begin with `# fragment: why`"
    return None


def examples(blocks: list[Block]) -> list[Block]:
    """Those blocks that are to be run."""
    return [block for block in blocks if block.kind == "example"]


@pytest.mark.parametrize("block", all_blocks("python", "console", *UNCHECKED), ids=str)
def test_every_block_says_what_it_is(block: Block) -> None:
    """A code block is an example that is run, or a fragment with its reason."""
    assert complaint(block) is None


@pytest.mark.parametrize("block", examples(PYTHON), ids=str)
def test_the_program_runs_and_prints_what_the_page_says(block: Block, tmp_path: Path) -> None:
    """A Python example ends by itself, without an error or a warning, with the output that follows it on the page."""
    done = run_program(block, tmp_path)
    assert done.returncode == 0, done.stderr
    if block.expected is not None:
        assert matches(block.expected, done.stdout), f"printed:\n{done.stdout}\nthe page says:\n{block.expected}"


@pytest.mark.parametrize("block", examples(CONSOLE), ids=str)
def test_the_commands_print_what_the_page_says(block: Block, tmp_path: Path) -> None:
    """The commands of a console example, run one after the other, print what stands below each."""
    for command, expected in commands(block):
        done = run_command(command, tmp_path)
        printed = done.stdout + done.stderr
        assert matches(expected, printed), f"$ {command}\n{printed}\nthe page says:\n{expected}"


def test_names_of_examples_are_unique() -> None:
    """An example's name finds one example."""
    names = [str(block) for block in examples(PYTHON)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "page",
    [
        "```python\nprint(1)\n```",
        "```py\n# example: a\nprint(1)\n```",
        "```{code-block} python\n# example: a\nprint(1)\n```",
        "```python\n# example: a\nprint(\n```",
        "```python\n# fragment: why not\nx = = 1\n```",
        "```python\n# fragment:\nx = 1\n```",
        "```console\n$ ls\n```",
        "```console\ntenure status\n```",
        "```bash\ntenure status\n```",
    ],
)
def test_a_block_against_the_rules_would_be_found(page: str) -> None:
    """Each way to escape from being run is refused."""
    assert [complaint(block) for block in blocks_of(PAGE, page)] != [None]


@pytest.mark.parametrize(
    "page",
    [
        "```python\n# example: a\nprint(1)\n```",
        "```python\n# fragment: the inside of a coroutine\nawait f()\n```",
        "```console\n$ tenure status\nnobody\n```",
        "```console\n# fragment: not ours\n$ ls\n```",
        "```toml\na = 1\n```",
    ],
)
def test_a_block_within_the_rules_is_left_alone(page: str) -> None:
    """What says what it is is accepted."""
    assert [complaint(block) for block in blocks_of(PAGE, page)] == [None]


def test_an_example_that_prints_something_else_would_be_found(tmp_path: Path) -> None:
    """The output is compared, with `...` for anything; only a text block directly below counts."""
    page = "```python\n# example: a\nprint('token', 7)\n```\n\n```text\ntoken 8\n```\n"
    (block, _) = blocks_of(PAGE, page)
    done = run_program(block, tmp_path)
    assert block.expected == "token 8"
    assert not matches(block.expected, done.stdout)
    assert matches("token 7", done.stdout)
    assert matches("token ...", done.stdout)
    (apart, _) = blocks_of(PAGE, page.replace("\n\n", "\n\nSome words between.\n\n"))
    assert apart.expected is None


def test_an_example_that_fails_or_warns_would_be_found(tmp_path: Path) -> None:
    """Neither an exception nor a warning passes."""
    for body in ("raise SystemExit(3)", "import warnings; warnings.warn('old')"):
        (block,) = blocks_of(PAGE, f"```python\n# example: a\n{body}\n```\n")
        assert run_program(block, tmp_path).returncode != 0


def test_an_example_that_does_not_end_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit (shortened here) an example fails, with what it started; the sleeps only outlast the limit."""
    monkeypatch.setattr("tests.docs.blocks.LIMIT_S", 1)
    body = "import subprocess, time\nsubprocess.Popen(['sleep', '60'])\ntime.sleep(60)"
    (block,) = blocks_of(PAGE, f"```python\n# example: a\n{body}\n```\n")
    with pytest.raises(AssertionError, match="still ran after 1 s"):
        run_program(block, tmp_path)
