"""redis-py's Lock with a time-out of 10 s (it has none by default, and then a dead leader is never replaced)."""

import sys

import redis

from benchmarks.candidates import leading, until_told, waiting

lock = redis.Redis(port=int(sys.argv[1])).lock(f"bench-{sys.argv[2]}", timeout=10)
waiting()
lock.acquire()
leading()
until_told()
lock.release()
