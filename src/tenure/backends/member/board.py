"""What is known of elections: by this node of itself, and by what others say. Everything in the node's own thread.

It decides nothing: who leads is the elector's word, and whoever does is asked. It is for finding candidates elsewhere,
for lists, and for knowing how the last tenure ended.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator

from tenure.backends.base import Standing
from tenure.backends.member.notes import About, Again, History, Note, Pulse, Said, Stand, codec
from tenure.core.codec import TooLong
from tenure.core.events import NodeId

PULSE_S = 0.4
"""How often a node says that it lives."""
SILENT_S = 5 * PULSE_S
"""Whose pulse was not heard for so long is taken for gone, with its candidates, and nothing is handed to it."""
LIMIT_ELECTIONS = 4096
"""Of which the last tenure is remembered though nobody stands there; then the oldest is forgotten."""

Post = Callable[[NodeId, bytes], bool]


class Peer:
    """What another node says of itself."""

    def __init__(self, life: int) -> None:
        self.life = life
        self.version = 0
        """Of its statements this and all before it have come, as far as they are still of interest."""
        self.abouts: dict[str, About] = {}
        self.heard_s = 0.0
        self.asked_s = 0.0


class Board:
    """One node's. `peers` are the numbers of the other members, `post` sends them a note; both may change."""

    def __init__(self, me: NodeId, peers: Callable[[], Iterable[NodeId]], post: Post) -> None:
        self._me, self._peers, self._post = me, peers, post
        self._life = random.getrandbits(63)
        self._version = 0
        self._versions: dict[str, int] = {}
        self._own: dict[str, dict[str, Stand]] = {}
        self._others: dict[NodeId, Peer] = {}
        self.history: dict[str, History] = {}

    # This node

    def stand(self, election: str, stand: Stand) -> None:
        self._own.setdefault(election, {})[stand.nonce] = stand
        self._say(election)

    def leave(self, election: str, nonce: str) -> None:
        """That candidate waits no more."""
        own = self._own.get(election, {})
        if own.pop(nonce, None) is not None:
            if not own:
                del self._own[election]
            self._say(election)

    def note(self, election: str, history: History) -> None:
        """What has become of a tenure of this node."""
        self._remember(election, history)
        self._say(election)

    def pulse(self) -> None:
        """Tell that this node lives, and how much it has said."""
        self._tell_all(Pulse(self._life, self._version))

    # The others

    def hear(self, peer: NodeId, note: Said | Pulse | Again) -> bool:
        """Take in what a peer says; whether anything is new."""
        if isinstance(note, Again):
            self.tell(peer, note.version if note.life == self._life else 0)
            return False
        known = self._others.get(peer)
        is_new = known is None or known.life != note.life
        if known is None or known.life != note.life:
            known = self._others[peer] = Peer(note.life)
        known.heard_s = time.monotonic()
        if isinstance(note, Said):
            is_new = True
            known.abouts[note.about.election] = note.about
            if note.about.history is not None:
                self._remember(note.about.election, note.about.history)
            if not note.about.stands:
                del known.abouts[note.about.election]
            if note.after <= known.version:
                known.version = max(known.version, note.version)
        if note.version > known.version and known.heard_s > known.asked_s + PULSE_S / 2:
            known.asked_s = known.heard_s
            self._send(peer, Again(known.life, known.version))
        return is_new

    def lost(self, peer: NodeId) -> bool:
        """It is not heard any more; whether that changes anything. It says all again when it is."""
        return self._others.pop(peer, None) is not None

    def silence(self) -> bool:
        """Forget who has not been heard for too long; whether there was anybody."""
        limit_s = time.monotonic() - SILENT_S
        silent = [peer for peer, known in self._others.items() if known.heard_s < limit_s]
        for peer in silent:
            del self._others[peer]
        return bool(silent)

    def elsewhere(self, election: str | None = None) -> Iterator[tuple[NodeId, str, Stand]]:
        """Who stands at other nodes, for this election or for any: the node, the election and the candidate."""
        for peer, known in self._others.items():
            for about in known.abouts.values():
                if election in {None, about.election}:
                    for stand in about.stands:
                        yield peer, about.election, stand

    def standings(self, election: str) -> tuple[Standing, ...]:
        """All who stand for it, here and elsewhere."""
        stands = [*self._own.get(election, {}).values(), *(stand for *_, stand in self.elsewhere(election))]
        stands.sort(key=lambda stand: (-stand.priority, stand.since))
        return tuple(
            Standing(candidate=stand.name, priority=stand.priority, metadata=stand.metadata) for stand in stands
        )

    def tell(self, peer: NodeId, since: int) -> None:
        """Say to one peer what was said after that statement."""
        for version, election in sorted((version, election) for election, version in self._versions.items()):
            if version > since:
                self._send(peer, Said(self._life, since, version, self._about(election)))
                since = version
        self._send(peer, Pulse(self._life, self._version))

    def elections(self) -> set[str]:
        """All that this node knows of."""
        return {*self.history, *self._own, *(election for _, election, _ in self.elsewhere())}

    def _remember(self, election: str, history: History) -> None:
        later = history.over(self.history.pop(election, None))
        self.history[election] = later  # the last one now, of those that are remembered
        while len(self.history) > LIMIT_ELECTIONS:
            oldest = next((one for one in self.history if one not in self._own), election)
            del self.history[oldest]
            self._versions.pop(oldest, None)
        self._versions.setdefault(election, self._version)

    def _about(self, election: str) -> About:
        return About(election, tuple(self._own.get(election, {}).values()), self.history.get(election))

    def _say(self, election: str) -> None:
        before, self._version = self._version, self._version + 1
        self._versions[election] = self._version
        self._tell_all(Said(self._life, before, self._version, self._about(election)))

    def _tell_all(self, note: Note) -> None:
        for peer in tuple(self._peers()):
            self._send(peer, note)

    def _send(self, peer: NodeId, note: Note) -> None:
        try:
            self._post(peer, codec.encode(note))
        except TooLong:  # too many candidates of one election for one message: they are not listed elsewhere
            return
