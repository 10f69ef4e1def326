"""The backend for one host that needs nothing but a directory: `file://`."""

from tenure.backends.file.backend import FileBackend, open_file
from tenure.backends.file.grant import FileGrant

__all__ = ["FileBackend", "FileGrant", "open_file"]
