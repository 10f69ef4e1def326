"""Every phase with every event: what comes of it is in one table, and what is not in the table does nothing."""

from __future__ import annotations

import copy

import pytest

from tenure.errors import Reason
from tenure.holding import effects, events, notices
from tenure.holding.events import Event, Verdict
from tenure.holding.phases import Phase
from tests.holding.stage import T0, S, Stage, all_of, grant, kinds

NOW_S = 5.0
RESIGN = events.Asked(events.Resign())


def at_phase(phase: Phase) -> Stage:
    """A holder that has just come into `phase`, at NOW_S at the latest, with nothing due then."""
    stage = Stage(takeover_delay_s=9 if phase is Phase.HELD_BACK else 0)
    if phase is Phase.NEW:
        return stage
    stage.stand(4)
    if phase is Phase.OVER:
        stage.at(4, events.BodyLeft())
    elif phase is not Phase.STANDING:
        stage.won(4, clean=False)
        if phase is Phase.ENDING:
            stage.at(4, RESIGN)
        elif phase is Phase.RELEASING:
            stage.at(4, events.BodyLeft())
    assert stage.holder.phase is phase
    return stage


def event_of(name: str, stage: Stage) -> Event:
    """An event of which the holder may hear; those with a number answer its latest call."""
    call = max(
        (effect.call for effect in stage.said if isinstance(effect, effects.Campaign | effects.Release)), default=1
    )
    all_events: dict[str, Event] = {
        "Stand": events.Stand(),
        "Won": events.Won(call, grant(NOW_S, token=8)),
        "NotWon": events.NotWon(call),
        "RenewalGranted": events.RenewalGranted(call, 20 * S),
        "Failed unknown": events.Failed(call, Verdict.UNKNOWN, "why"),
        "Failed definite": events.Failed(call, Verdict.DEFINITE, "why"),
        "Deposed": events.Deposed(Reason.BACKEND_GONE, "why"),
        "OwnerTicked": events.OwnerTicked(T0 + 5 * S),
        "Asked resign": RESIGN,
        "Asked transfer": events.Asked(events.Transfer("other")),
        "BodyLeft": events.BodyLeft(),
        "ReleaseDone": events.ReleaseDone(call),
        "Woke": events.Woke(),
    }
    return all_events[name]


NAMES = (
    "Stand", "Won", "NotWon", "RenewalGranted", "Failed unknown", "Failed definite", "Deposed", "OwnerTicked",
    "Asked resign", "Asked transfer", "BodyLeft", "ReleaseDone", "Woke",
)  # a list reads better in rows  # fmt: skip

# (phase, event) -> (phase after it, effects); everything that is not here changes no phase and has no effect
TABLE: dict[tuple[Phase, str], tuple[Phase, list[str]]] = {
    (Phase.NEW, "Stand"): (Phase.STANDING, ["Campaign"]),
    (Phase.NEW, "Won"): (Phase.NEW, ["Release"]),
    (Phase.NEW, "BodyLeft"): (Phase.OVER, []),
    (Phase.STANDING, "Won"): (Phase.LEADING, ["Start"]),
    (Phase.STANDING, "NotWon"): (Phase.OVER, ["GiveUp"]),
    (Phase.STANDING, "Failed definite"): (Phase.OVER, ["GiveUp"]),
    (Phase.STANDING, "BodyLeft"): (Phase.OVER, ["Abandon"]),
    (Phase.HELD_BACK, "Won"): (Phase.HELD_BACK, ["Release"]),
    (Phase.HELD_BACK, "Deposed"): (Phase.RELEASING, ["Release"]),
    (Phase.HELD_BACK, "Asked resign"): (Phase.RELEASING, ["Release"]),
    (Phase.HELD_BACK, "Asked transfer"): (Phase.RELEASING, ["Release"]),
    (Phase.HELD_BACK, "BodyLeft"): (Phase.RELEASING, ["Release"]),
    (Phase.LEADING, "Won"): (Phase.LEADING, ["Release"]),
    (Phase.LEADING, "Deposed"): (Phase.ENDING, ["Cancel"]),
    (Phase.LEADING, "Asked resign"): (Phase.ENDING, ["Cancel"]),
    (Phase.LEADING, "Asked transfer"): (Phase.ENDING, ["Cancel"]),
    (Phase.LEADING, "BodyLeft"): (Phase.RELEASING, ["Release"]),
    (Phase.ENDING, "Won"): (Phase.ENDING, ["Release"]),
    (Phase.ENDING, "BodyLeft"): (Phase.RELEASING, ["Release"]),
    (Phase.RELEASING, "Won"): (Phase.RELEASING, ["Release"]),
    (Phase.RELEASING, "Failed definite"): (Phase.OVER, []),
    (Phase.RELEASING, "ReleaseDone"): (Phase.OVER, []),
    (Phase.OVER, "Won"): (Phase.OVER, ["Release"]),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
def test_a_phase_and_an_event(phase: Phase, name: str) -> None:
    """The phase afterwards and the effects are those of the table."""
    stage = at_phase(phase)
    event = event_of(name, stage)
    if name == "Stand" and phase not in {Phase.NEW, Phase.OVER}:
        with pytest.raises(AssertionError, match="stands once"):
            stage.at(NOW_S, event)
        return
    produced = stage.at(NOW_S, event)
    assert (stage.holder.phase, kinds(produced)) == TABLE.get((phase, name), (phase, []))


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
def test_an_answer_to_a_call_that_nobody_made_does_nothing(phase: Phase) -> None:
    """Neither a number of the future nor one of another kind of call is taken for an answer."""
    stage = at_phase(phase)
    for event in (
        events.NotWon(99),
        events.RenewalGranted(99, 20 * S),
        events.Failed(99, Verdict.UNKNOWN, "why"),
        events.Failed(99, Verdict.DEFINITE, "why"),
        events.ReleaseDone(99),
    ):
        before = (stage.holder.phase, stage.holder.deadline_ns, stage.holder.wake_ns)
        assert stage.at(NOW_S, event) == []
        assert (stage.holder.phase, stage.holder.deadline_ns, stage.holder.wake_ns) == before


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
def test_a_look_at_the_clock_before_anything_is_due_changes_nothing(phase: Phase) -> None:
    """A driver may look as often as it likes."""
    stage = at_phase(phase)
    before = copy.deepcopy(stage.holder)
    assert stage.woke(NOW_S) == []
    assert (stage.holder.wake_ns, stage.holder.deadline_ns) == (before.wake_ns, before.deadline_ns)


@pytest.mark.parametrize(
    ("phase", "valid", "leased"),
    [
        (Phase.NEW, False, False),
        (Phase.STANDING, False, False),
        (Phase.HELD_BACK, False, True),
        (Phase.LEADING, True, True),
        (Phase.ENDING, False, True),
        (Phase.RELEASING, False, False),
        (Phase.OVER, False, False),
    ],
    ids=lambda value: value.name if isinstance(value, Phase) else None,
)
def test_what_can_be_read_in_a_phase(phase: Phase, valid: bool, leased: bool) -> None:
    """Only who leads may act; whoever holds a lease has to look at the clock."""
    stage = at_phase(phase)
    assert (stage.is_valid(NOW_S), stage.holder.leased) == (valid, leased)
    assert stage.holder.over is (phase is Phase.OVER)


def test_every_notice_tells_who_and_when_and_all_kinds_occur() -> None:
    """One life with every kind of notice that a holder makes, each with its election, candidate and instant."""
    stage = Stage()
    call = stage.stand(0)
    stage.failed(0, call)
    stage.woke(1)
    stage.won(1)
    stage.woke(5)
    stage.renewed(5.5)
    stage.woke(9)
    stage.woke(11)
    stage.woke(16.5)
    for second in (20, 30):
        stage.woke(second)
    stage.at(31, events.BodyLeft())
    stage.at(31.5, events.ReleaseDone(stage.last(effects.Release).call))
    told = all_of(stage.said, notices.Notice)
    assert {type(notice) for notice in told} == {
        notices.Campaigning,
        notices.CampaignFailed,
        notices.Elected,
        notices.Renewed,
        notices.Uncertain,
        notices.Stalled,
        notices.Lost,
        notices.Overran,
        notices.Released,
    }
    assert {(notice.election, notice.candidate) for notice in told} == {("e", "c")}
    assert [notice.at_ns for notice in told] == sorted(notice.at_ns for notice in told)


def test_a_renewal_tells_its_latency_and_what_was_left() -> None:
    """Sent at 4, answered at 5.5, when 13.5 s were left of the former lease."""
    stage = Stage()
    stage.lead()
    stage.woke(4)
    (renewed,) = all_of(stage.renewed(5.5), notices.Renewed)
    assert (renewed.latency_ns, renewed.left_ns, renewed.late) == (3 * S // 2, 27 * S // 2, False)
    assert renewed.deadline_ns == T0 + 23 * S


@pytest.mark.parametrize(
    ("wish", "reason"),
    [(events.Resign(), Reason.RESIGNED), (events.Transfer("other"), Reason.TRANSFERRED)],
    ids=["resign", "transfer"],
)
def test_a_wish_ends_the_tenure_with_its_reason_and_releases_for_whom_it_names(
    wish: events.Wish, reason: Reason
) -> None:
    """The body is told the reason, and the release names the candidate."""
    stage = Stage()
    stage.lead()
    stage.at(1, events.Asked(wish))
    stage.at(2, events.BodyLeft())
    assert stage.last(effects.Cancel).reason is reason
    assert stage.last(effects.Release).to == getattr(wish, "to", None)
    assert [lost.reason for lost in all_of(stage.said, notices.Lost)] == [reason]
