"""The backend for one host that needs nothing but a directory: `file://`."""

from tenure.backends.file.backend import DEFAULT_POLL_S, FileBackend, open_file
from tenure.backends.file.grant import FileGrant

__all__ = ["DEFAULT_POLL_S", "FileBackend", "FileGrant", "open_file"]
