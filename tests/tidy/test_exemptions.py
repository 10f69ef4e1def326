"""Every exemption from a check carries its reason on its line."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

from tests.tidy.tree import python_files, text

# What switches a check off; the reason stands behind it, or before it (behind `# fmt: skip` it needs a second `#`).
EXEMPTION = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?"
    r"|type:\s*ignore(?:\[[^\]]*\])?"
    r"|fmt:\s*(?:off|skip)"
    r"|ruff:\s*(?:noqa|ignore|disable)(?:\s*\[[^\]]*\])?(?::\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?"
    r"|mypy:\s*[a-z-]+(?:=\S+)?"
    r"|pragma:\s*no\s*cover)"
)
OPENS_EXEMPTIONS = re.compile(r'(?:ignore|"[^"]+"|filterwarnings|ignore_imports|disable_error_code)\s*=')
REASON = re.compile(r"\w{2,}\W+\w+")  # two words at the least


def unreasoned(source: str) -> list[str]:
    """The exemptions in a file that give no reason, each with its line."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_exemption = token.type == tokenize.COMMENT and EXEMPTION.search(token.string)
        if is_exemption and not REASON.search(EXEMPTION.sub("", token.string)):
            found.append(f"line {token.start[0]}: {token.string}")
    return found


def unreasoned_settings(toml: str) -> list[str]:
    """The exemptions in pyproject.toml that have no comment on their line or on the line above."""
    found, section, above, in_ignores = [], "", "", False
    for number, line in enumerate(toml.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        opens = OPENS_EXEMPTIONS.match(stripped)
        in_ignores = bool(opens) or in_ignores
        is_entry = in_ignores and stripped.startswith('"') and not opens and stripped not in {'"error",', '"default",'}
        is_override = section == "[[tool.mypy.overrides]]" and stripped == section
        if (is_entry or is_override) and "#" not in stripped and not above.startswith("#"):
            found.append(f"line {number}: {stripped}")
        in_ignores = in_ignores and not stripped.endswith("]") and not stripped.startswith("]")
        above = stripped
    return found


@pytest.mark.parametrize("path", python_files(), ids=str)
def test_every_exemption_in_code_has_its_reason(path: Path) -> None:
    """No `noqa`, `type: ignore` or the like stands without saying why."""
    assert unreasoned(text(path)) == []


def test_every_exemption_in_the_settings_has_its_reason() -> None:
    """No check is switched off for the whole project, or for a folder of it, without saying why."""
    assert unreasoned_settings(text(Path("pyproject.toml"))) == []


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# noqa: BLE001",
        "# noqa: BLE001, S110",
        "# type: ignore[attr-defined]",
        "# fmt: off",
        "# noqa: E501 ok",
        "# ruff: noqa: F401",
        "# type: ignore[misc]  # noqa: E501",
        "# mypy: disable-error-code=misc",
    ],
)
def test_an_exemption_without_a_reason_would_be_found(comment: str) -> None:
    """Each kind of exemption is seen when it says nothing more."""
    assert unreasoned(f"x = 1  {comment}\n")


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: BLE001  a callback of the user may raise anything\n",
        "x = 1  # type: ignore[misc]  # the stub lacks this argument\n",
        "x = 1  # a table reads better in rows  # fmt: skip\n",
        "x = '# noqa'\n",
        "x = 1  # nothing is exempted here\n",
    ],
)
def test_a_reasoned_exemption_is_left_alone(line: str) -> None:
    """A reason satisfies the rule, and strings are no comments."""
    assert unreasoned(line) == []


@pytest.mark.parametrize(
    "sample",
    [
        '[tool.ruff.lint]\nignore = [\n    "D203",\n]\n',
        '[tool.ruff.lint.per-file-ignores]\n"tests/**" = [\n    "S105",\n]\n',
        '[tool.pytest.ini_options]\nfilterwarnings = [\n    "error",\n    "ignore:something",\n]\n',
        '[[tool.mypy.overrides]]\nmodule = "x"\n',
    ],
)
def test_a_setting_without_a_reason_would_be_found(sample: str) -> None:
    """Each kind of exemption in the settings is seen when it says nothing more."""
    assert len(unreasoned_settings(sample)) == 1
