"""Where one election with leases lives on disk: DIR/<election>/, and which tenures it has had.

    tenures/<N>        tenure N, for ever its own file; the greatest is the only one that may lead
    tenures/<N>.wish   the wish that the leader of tenure N step down
    candidates/        one file for each candidate, as in file://
    lock/              an empty directory: it keeps file:// from electing a second leader here

No tenure takes another one's name, so a process that wakes after any pause writes into a file that is its own for ever.
"""

# ruff: noqa: PTH102, PTH112, PTH116, PTH208 -- paths are plain strings here, used thousands of times a second

from __future__ import annotations

import os

from tenure.backends.base import TOKEN_LIMIT
from tenure.backends.file.place import Place, remove, sync_directory
from tenure.errors import BackendRefused

NAMES_LIMIT = 600
"""A listing of so many short names is one call to the kernel, which lets nobody change the directory meanwhile. An
election has a few; more were put there by somebody else."""
KEPT = 3
"""How many tenures stay beside the one that leads: a look that is interrupted between two calls sees one of them."""


class LeasePlace(Place):
    """The paths of one election."""

    __slots__ = ("tenures",)

    def __init__(self, root: str, election: str, *, private: bool) -> None:
        super().__init__(root, election, private=private)
        self.tenures = f"{self.directory}/tenures"

    def create(self) -> None:
        """Make the directories, durably: a token that vanishes with its directory at a power cut would go back."""
        super().create()
        mode = 0o700 if self.private else 0o777
        for path in (self.lock, self.tenures):  # in this order: where there are tenures, file:// is shut out
            try:
                os.mkdir(path, mode)
            except FileExistsError:
                if not os.path.isdir(path):
                    raise BackendRefused(
                        f"{path} is a file, so {self.election} is an election of file:// and is led there; a lease "
                        f"beside it would elect a second leader. Use another directory, or another name"
                    ) from None
        self.share_directories(self.lock, self.tenures)
        sync_directory(self.directory)

    def path(self, token: int) -> str:
        """The file of one tenure."""
        return f"{self.tenures}/{token}"

    def of(self, token: int) -> LeasePlace:
        """The same place, where wishes are those for one tenure: a leader that wakes late touches no later one's."""
        place = LeasePlace(self.root, self.election, private=self.private)
        place.wish = f"{self.tenures}/{token}.wish"
        return place

    def tokens(self) -> list[int]:
        """The tokens of all tenures that are still there, ascending. Raises FileNotFoundError before the first."""
        names = os.listdir(self.tenures)
        if len(names) > NAMES_LIMIT:
            raise BackendRefused(
                f"{self.tenures} has {len(names)} files, and an election makes a few: nobody can tell its last tenure. "
                f"Nothing was changed. Remove what somebody else has put there"
            )
        found = (int(name) for name in names if name.isascii() and name.isdigit() and name[0] != "0")
        return sorted(token for token in found if token <= TOKEN_LIMIT)

    def is_last(self, token: int, inode: tuple[int, int]) -> bool:
        """Whether tenure `token`, of the file `inode`, is there and none is above it.

        Tenures are removed from below, so one that was above it when this began is either still listed, or was
        removed after ours was: then ours is missed in the second look.
        """
        try:
            tokens = self.tokens()
            found = os.stat(self.path(token), follow_symlinks=False)
        except FileNotFoundError:
            return False
        return tokens[-1:] == [token] and (found.st_dev, found.st_ino) == inode

    def prune(self, token: int) -> None:
        """Remove what the holder of `token`, which is durable and has waited all before it out, needs no more."""
        older = [each for each in self.tokens() if each < token]
        for each in older[: max(0, len(older) - KEPT)]:
            remove(f"{self.tenures}/{each}.wish")
            remove(self.path(each))
