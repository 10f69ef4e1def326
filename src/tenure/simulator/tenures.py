"""Who may act, as far as the records of a run tell."""

from __future__ import annotations

from tenure import trace
from tenure.core.events import NodeId


class Tenures(dict[NodeId, trace.Held]):
    """The tenure of each node, as last told, until it is lost or the node crashes or leaves; one that ran out stays."""

    def see(self, record: trace.Record) -> None:
        """Take in what happened."""
        match record:
            case trace.Held(node=node):
                self[node] = record
            case trace.Lost(node=node, token=token):
                if node in self and self[node].token == token:  # else it speaks of an earlier tenure
                    del self[node]
            case trace.Crashed(node=node) | trace.Gone(node=node):
                self.pop(node, None)
            case _:
                ...
