"""From when to when each tenure was valid. Pure.

A tenure is *valid* from `lead()` returning until the earliest of its last deadline, its end, and the death of its
process and its job. What is recorded proves less than that: an instant is read before it is written, deaths are seen
late, renewals may go unrecorded. So two bounds are drawn from the records, and nothing is claimed between them:

    held_ns   it was certainly valid until here: its process gave a sign of life then or later, and neither its end nor
              the last deadline that it recorded had come
    over_ns   it was certainly over from here: it said so itself, or its last deadline had passed, or all its processes
              were seen dead
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from tenure.audit.records import ENDS_AT_ONCE, Acted, Alive, Died, Ended, Noted, Opened, Record, Told
from tenure.audit.verdict import Tenancy
from tenure.durations import NEVER_NS

Own = Opened | Noted | Acted | Told | Ended
Key = tuple[str, str, int, int]


class Story:
    """All records of one tenure, in the order of the ledger."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.records: list[Own] = [opened]
        self.signs_ns: list[int] = []
        """When observers saw one of its processes alive."""
        self.deaths_ns: dict[int, int] = {}

    @property
    def pids(self) -> set[int]:
        return {self.opened.pid} | ({self.opened.with_pid} if self.opened.with_pid is not None else set())

    @property
    def acts(self) -> list[Acted]:
        return [record for record in self.records if isinstance(record, Acted)]

    @property
    def deadline_ns(self) -> int:
        """The latest deadline that was recorded; NEVER_NS for a tenure that has none."""
        said = [record.deadline_ns for record in self.records if not isinstance(record, Noted)]
        known = [deadline_ns for deadline_ns in said if deadline_ns is not None]
        return max(known, default=NEVER_NS)

    @property
    def last_word(self) -> Told | Ended | None:
        """Where the tenure ended by its own word: the body's end, or a loss that leaves nothing."""
        return next((record for record in self.records if _is_last_word(record)), None)

    def tenancy(self) -> Tenancy:
        """The two bounds."""
        over_ns, how = self._over()
        opened = self.opened
        return Tenancy(
            election=opened.election,
            token=opened.token,
            candidate=opened.candidate,
            pid=opened.pid,
            opened_ns=opened.at_ns,
            held_ns=self._held_ns(),
            over_ns=over_ns,
            how=how,
            acts=len(self.acts),
        )

    def _held_ns(self) -> int:
        opened_ns, last_word = self.opened.at_ns, self.last_word
        if opened_ns >= self.deadline_ns:
            return opened_ns
        signs_ns = [record.at_ns for record in self.records] + self.signs_ns
        if isinstance(last_word, Told):
            # A loss is learnt of late: what counts is the last sign of life before it.
            signs_ns = [sign_ns for sign_ns in signs_ns if sign_ns < last_word.at_ns]
        limit_ns = min(self.deadline_ns, NEVER_NS if last_word is None else last_word.at_ns)
        # Even a tenure that gave no second sign of life was valid at the instant at which it opened.
        return max(opened_ns + 1, min(max(signs_ns, default=opened_ns), limit_ns))

    def _over(self) -> tuple[int | None, str]:
        """From when it was certainly over, and what ended it."""
        if self.opened.at_ns >= self.deadline_ns:
            return self.opened.at_ns, "deadline"
        ends: list[tuple[int, str]] = []
        if (last_word := self.last_word) is not None:
            why = next((record.reason for record in self.records if isinstance(record, Told)), last_word.reason)
            ends.append((max(last_word.at_ns, self.opened.at_ns + 1), "finished" if why is None else why.value))
        if any(isinstance(record, Told | Ended) for record in self.records) and self.deadline_ns != NEVER_NS:
            ends.append((self.deadline_ns, "deadline"))  # the last, for it was told to stop: no renewal came after
        if self.pids <= self.deaths_ns.keys():
            ends.append((max(self.deaths_ns[pid] for pid in self.pids), "killed"))
        return min(ends) if ends else (None, "")


def _is_last_word(record: Own) -> TypeGuard[Told | Ended]:
    return isinstance(record, Ended) or (isinstance(record, Told) and record.reason in ENDS_AT_ONCE)


def stories(records: Sequence[Record]) -> tuple[list[Story], list[str]]:
    """The tenures of a ledger in the order in which they opened, and what in it cannot be true."""
    found: list[Story] = []
    current: dict[Key, Story] = {}
    wrong: list[str] = []
    dead: dict[int, int] = {}
    for record in records:
        match record:
            case Alive(pid=pid, at_ns=at_ns):
                _saw_alive(found, pid, at_ns)
            case Died(pid=pid, at_ns=at_ns):
                dead.setdefault(pid, at_ns)
                _saw_dead(found, pid, at_ns)
            case Opened():
                dead.pop(record.pid, None)  # the number of a dead process was given to a new one
                story = current[_key(record)] = Story(record)
                found.append(story)
            case _ if (known := current.get(_key(record))) is not None:
                known.records.append(record)
            case _:
                wrong.append(
                    f"{record.candidate} recorded {_what(record)!r} for token {record.token} without opening it"
                )
        if not isinstance(record, Alive | Died) and record.at_ns > dead.get(record.pid, NEVER_NS):
            wrong.append(f"{record.candidate} recorded {_what(record)!r} after process {record.pid} was seen dead")
    return sorted(found, key=lambda story: story.opened.at_ns), wrong


def _saw_alive(found: Sequence[Story], pid: int, at_ns: int) -> None:
    for story in found:
        if pid in story.pids and at_ns <= story.deaths_ns.get(pid, NEVER_NS):
            story.signs_ns.append(at_ns)


def _saw_dead(found: Sequence[Story], pid: int, at_ns: int) -> None:
    for story in found:
        if pid in story.pids:
            story.deaths_ns.setdefault(pid, at_ns)


def _key(record: Own) -> Key:
    return record.election, record.candidate, record.token, record.pid


def _what(record: Own) -> str:
    return str(record.__struct_config__.tag)
