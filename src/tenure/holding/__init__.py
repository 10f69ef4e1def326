"""The law of holding a tenure: pure, written once, the same for every backend.

`budget` is the arithmetic of deadlines, `holder` decides when to renew, when to stop and when to let go, `events` is
what goes into a holder and what comes out, `notices` is what it tells the world. Nothing here waits, sleeps, reads a
clock or draws chance of its own, so that what is proved on virtual time is what runs in production.
"""
