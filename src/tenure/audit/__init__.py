"""Was there ever more than one leader? One audit, for every test and for the demonstration.

records     what programs and those who watch them put down
ledger      the file they share: one line a record, whose order is the true order
intervals   from when to when each tenure was certainly valid, and from when it was certainly over (pure)
judge       what is wrong with them (pure)
verdict     the judgement as data, and in words (pure)
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
