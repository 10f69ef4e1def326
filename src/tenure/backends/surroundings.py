"""Where this process runs: whose state directory it has, and whether it is in a container or a pod.

Everything is looked up in an environment and below a root directory that tests replace.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tenure.errors import ConfigurationError

_CGROUPS = ("docker", "kubepods", "containerd", "libpod", "lxc", "crio", "garden")


class Surroundings:
    """What `environment` and the files below `root` tell."""

    def __init__(self, environment: Mapping[str, str] | None = None, root: Path = Path("/")) -> None:
        self.environment = os.environ if environment is None else environment
        self._root = root

    def state_directory(self) -> Path:
        """Where tenure keeps this user's state: never a run-time directory, which is emptied at boot.

        Raises ConfigurationError where nothing says where that is.
        """
        stated = self.environment.get("XDG_STATE_HOME", "")
        if stated and not Path(stated).is_absolute():
            raise ConfigurationError(
                f"XDG_STATE_HOME is {stated!r}, which is not an absolute path, so every working directory would have "
                "elections of its own; make it absolute, unset it, or give a URL (--at, TENURE_URL)"
            )
        if stated:
            return Path(stated) / "tenure"
        home = self.environment.get("HOME", "")
        if not Path(home).is_absolute():
            found = f"HOME is {home!r}" if home else "HOME is not set"
            raise ConfigurationError(
                f"{found} and XDG_STATE_HOME is not set, so there is no state directory to keep elections in; "
                "set one of them to an absolute path, or give a URL such as file:///var/lib/tenure (--at, TENURE_URL)"
            )
        return Path(home) / ".local" / "state" / "tenure"

    def is_state_directory(self, path: Path) -> bool:
        """Whether `path` is that directory; without an error where there is none."""
        try:
            return path == self.state_directory()
        except ConfigurationError:
            return False

    def is_pod(self) -> bool:
        """Whether this is a container of a Kubernetes pod."""
        return bool(self.environment.get("KUBERNETES_SERVICE_HOST"))

    def container(self) -> str | None:
        """What tells that this is a container, or None."""
        if self.is_pod():
            return "KUBERNETES_SERVICE_HOST is set"
        if self.environment.get("container"):
            return "the environment says container=" + self.environment["container"]
        for mark in (".dockerenv", "run/.containerenv"):
            if (self._root / mark).exists():
                return f"/{mark} exists"
        try:
            cgroups = (self._root / "proc/1/cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None  # no /proc, or hidden: there is nothing that tells
        group = next((group for group in _CGROUPS if group in cgroups), None)
        return f"/proc/1/cgroup names {group}" if group else None
