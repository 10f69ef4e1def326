"""Was there ever more than one leader? One audit, for every test and for the demonstration.

records     what programs and those who watch them put down
ledger      the file they share: one line a record, whose order is the true order
intervals   from when to when each tenure was certainly valid, and from when it was certainly over (pure)
judge       what is wrong with them (pure)
verdict     the judgement as data, and in words (pure)

A program that leads puts down its tenure like this; `ended` comes last in the body, not after it:

    ledger = Ledger(path)
    async with election.lead() as tenure:
        scribe = Scribe(ledger, tenure.election, tenure.token, tenure.candidate)
        scribe.opened()
        try:
            with scribe.act("payment 7"):
                ...
        except asyncio.CancelledError:
            scribe.told(tenure.reason or Reason.RESIGNED)
            raise
        finally:
            scribe.ended(tenure.reason)

Who kills it puts down `ledger.alive(pid)` just before and `ledger.died(pid)` once it was seen dead. Where there are
leases, `deadline_ns` goes with every record. In the end: `audit(Reader(path).new()).is_clean`.
"""

from tenure.audit.judge import audit
from tenure.audit.ledger import Ledger, Reader, Scribe
from tenure.audit.records import Acted, Alive, Died, Ended, Noted, Opened, Record, Told
from tenure.audit.verdict import Gap, Overlap, StaleAct, Tenancy, TokenFault, Verdict

__all__ = [
    "Acted",
    "Alive",
    "Died",
    "Ended",
    "Gap",
    "Ledger",
    "Noted",
    "Opened",
    "Overlap",
    "Reader",
    "Record",
    "Scribe",
    "StaleAct",
    "Tenancy",
    "TokenFault",
    "Told",
    "Verdict",
    "audit",
]
