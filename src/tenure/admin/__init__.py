"""Tells operators and load balancers over HTTP how a node is: what it leads, knows, does, and what happens to it.

window  looks at a node from another thread
news    what happened to a node, in a ring from which any number read
numbers what `/metrics` says
paths   what each path answers
guard   limits for clients that misbehave
stream  events, as they happen
server  all of it on a thread of its own; needs the extra `server`

Nothing here changes anything. What a path answers looks as in `tenure.health`, which serves those who hold a tenure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.errors import ConfigurationError

if TYPE_CHECKING:
    from tenure.admin.news import News
    from tenure.admin.server import Admin
    from tenure.runtime.node import RuntimeNode


def serve_admin(node: RuntimeNode, news: News, address: str) -> Admin:
    """Serve `node`, which may start later, at `address`, `HOST:PORT`; `news` is its owner. Call it in the node's loop.

    Raises ConfigurationError where nobody can listen there, or the extra is missing.
    """
    try:
        from tenure.admin.server import Admin
    except ImportError as error:
        raise ConfigurationError("serving HTTP needs the extra: pip install 'tenure[server]'") from error
    return Admin(node, news, address)
