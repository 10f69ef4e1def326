"""The command's way in: `tenure`, and `python -m tenure`."""

from __future__ import annotations

import os
import sys

from tenure._version import __version__


def main() -> None:
    """Run the command and end the process with its exit code; `--version` is answered before anything is imported."""
    if sys.argv[1:] == ["--version"] and _is_written(f"tenure {__version__}\n".encode()):
        sys.exit(0)
    try:
        from tenure.cli import main as run

        code = run()
    except KeyboardInterrupt:  # Ctrl-C while modules are still being imported
        code = 128 + 2
    sys.exit(code)


def _is_written(line: bytes) -> bool:
    """Whether stdout took it; where not, the whole command meets the same trouble and has words for it.

    Past the buffer of `sys.stdout`, which would keep what was refused, and fail again.
    """
    try:
        return os.write(1, line) == len(line)
    except OSError:  # full, without a reader, or closed by the caller
        return False


if __name__ == "__main__":
    main()
