"""The command's way in: `tenure`, and `python -m tenure`."""

from __future__ import annotations

import sys

from tenure._version import __version__


def main() -> None:
    """Run the command and end the process with its exit code; `--version` is answered before anything is imported."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"tenure {__version__}\n")
        sys.exit(0)
    from tenure.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
