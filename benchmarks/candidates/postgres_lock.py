"""PostgreSQL's session-level advisory lock, by psycopg: what people write by hand."""

import sys

import psycopg

from benchmarks.candidates import leading, until_told, waiting

lock = 4711 + int(sys.argv[2])
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    waiting()
    connection.execute("select pg_advisory_lock(%s)", [lock])
    leading()
    until_told()
    connection.execute("select pg_advisory_unlock(%s)", [lock])
