"""What users install: the wheel's contents and dependencies, and its command in an empty environment."""

from __future__ import annotations

import email
import json
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from tenure._version import __version__
from tests.packaging.built import empty_environment, install, run


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """The wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"tenure-{__version__}.dist-info/METADATA"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment into which the wheel was installed, and nothing else by name."""
    python = empty_environment(sys.executable, tmp_path_factory.mktemp("empty") / "venv")
    install(python, wheel)
    return python


def test_the_base_dependencies_are_two(metadata: Message) -> None:
    """The wheel requires click and msgspec; whatever else it names belongs to an extra."""
    required = [str(line) for line in metadata.get_all("Requires-Dist", [])]
    assert {line.split()[0] for line in required if "extra ==" not in line} == {"click", "msgspec"}
    assert set(metadata.get_all("Provides-Extra", [])) == {"certificates", "fast", "server"}


def test_the_metadata_say_who_may_use_it(metadata: Message) -> None:
    """Name, version, licence and the oldest Python are stated."""
    assert (metadata["Name"], metadata["Version"]) == ("tenure", __version__)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("Apache-2.0", ">=3.11")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Beside the package there are its metadata with the licence: no tests, no documentation, no caches."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"tenure", f"tenure-{__version__}.dist-info"}
    assert "tenure/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in names)
    assert [name for name in names if "__pycache__" in name or "test_" in name] == []


def test_the_sdist_can_be_read_and_built_from(sdist: Path) -> None:
    """The source distribution holds the package, its licence and its settings, and no tests."""
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "src/tenure/py.typed"} <= names
    assert [name for name in names if name.startswith(("tests/", "docs/"))] == []


def test_an_empty_environment_gets_two_packages_more(installed: Path) -> None:
    """Installing tenure brings click and msgspec, and nothing else."""
    listing = run(sys.executable, "-m", "pip", "--python", installed, "list", "--format=json").stdout
    assert {package["name"] for package in json.loads(listing)} == {"tenure", "click", "msgspec"}


def test_the_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    """`tenure --version` and `tenure --help` answer, far from this checkout."""
    command = installed.parent / "tenure"
    assert __version__ in run(command, "--version", cwd=tmp_path).stdout
    assert "run" in run(command, "--help", cwd=tmp_path).stdout


def test_pytest_is_told_of_the_fixtures(wheel: Path) -> None:
    """The wheel names the plugin for pytest, which it does not require."""
    with zipfile.ZipFile(wheel) as archive:
        told = archive.read(f"tenure-{__version__}.dist-info/entry_points.txt").decode()
    assert "[pytest11]\ntenure=tenure.testing.plugin" in told.replace(" ", "")


def test_the_lab_needs_no_pytest(installed: Path, tmp_path: Path) -> None:
    """Other test runners use it as a context manager, where nothing but tenure is installed."""
    program = (
        "from tenure.blocking import Election; from tenure.testing.blocking import ElectionLab\n"
        "with ElectionLab() as lab, Election('e').lead() as tenure: lab.advance('1h'); print(lab.tokens())"
    )
    assert run(installed, "-c", program, cwd=tmp_path).stdout.strip() == "(1,)"


@pytest.mark.parametrize("module", ["tenure", "tenure.blocking"])
def test_the_installed_library_has_its_public_names(installed: Path, tmp_path: Path, module: str) -> None:
    """Every public name can be imported from the installed wheel, and comes from there."""
    program = f"from {module} import *; from {module} import Election, __file__; print(__file__)"
    where = run(installed, "-c", program, cwd=tmp_path).stdout.strip()
    assert Path(where).is_relative_to(installed.parent.parent)
