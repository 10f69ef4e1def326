"""Tells those who operate a process how it is: alive, ready, leading or standing by, and its numbers, over HTTP.

`answers` is the form of one, `paths` knows them, `server` speaks HTTP, `address` binds; `service` gives them a thread
of their own. That thread shares nothing with the keeper's: it reads what any thread may read, and posts to loops
without waiting for them.
"""

from tenure.health.answers import Answer
from tenure.health.service import Health, serve_health

__all__ = ["Answer", "Health", "serve_health"]
