"""The law of holding a tenure: pure, written once, the same for every backend.

`budget` is the arithmetic of deadlines, `holder` decides when to renew, when to stop and when to let go, `events` is
what goes into a holder and what comes out, `notices` is what it tells the world. Nothing here waits, sleeps, reads a
clock or draws chance of its own, so that what is proved on virtual time is what runs in production.

The driver's duties:
 - give every event together with the time now, on the clock that `Granted.sent_ns` was read on; time never goes back;
 - carry out the effects in order; `Campaign`, `Renew` and `Release` leave only after `handle` has returned, so that the
   `now_ns` given was read before the request left;
 - call `handle(Woke(), now)` at `wake_ns`, read anew after each call; with a lease, at least each half margin;
 - answer each call exactly once, except where the call never answers; also after Abandon;
 - forget the holder when it is `over` and no call of its is unanswered: a late win is still to be released.
"""
