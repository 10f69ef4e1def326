"""Votes are counted by voter, in every configuration that is in force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.core.quorum import Quorum, Verdict, majority_of

VOTERS = st.frozensets(st.integers(1, 9), min_size=1, max_size=7)
ANSWERS = st.dictionaries(st.integers(1, 12), st.booleans())


@pytest.mark.parametrize(("voters", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (100, 51)])
def test_a_majority_is_more_than_half(voters: int, needed: int) -> None:
    """Two of them always share a voter."""
    assert majority_of(voters) == needed
    assert 2 * needed > voters


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ({}, Verdict.PENDING),
        ({1: True, 2: True}, Verdict.PENDING),
        ({1: True, 2: True, 3: True}, Verdict.WON),
        ({1: True, 2: False, 3: False}, Verdict.PENDING),
        ({1: False, 2: False, 3: False}, Verdict.LOST),
        ({7: True, 8: True, 9: True}, Verdict.PENDING),
        ({1: True, 2: True, 7: True}, Verdict.PENDING),
    ],
)
def test_five_voters(answers: dict[int, bool], verdict: Verdict) -> None:
    """Three decide; a stranger's answer is none."""
    assert Quorum(range(1, 6)).verdict(answers) is verdict


def test_both_configurations_must_agree() -> None:
    """Joint consensus: the old one alone elects nobody, nor does the new one."""
    joint = Quorum({1, 2, 3}, {3, 4, 5})
    assert joint.verdict({1: True, 2: True, 3: True}) is Verdict.PENDING
    assert joint.verdict({1: True, 2: True, 3: True, 4: True}) is Verdict.WON
    assert joint.verdict({1: True, 2: True, 4: False, 5: False}) is Verdict.LOST


@given(ANSWERS, VOTERS, VOTERS)
def test_won_and_lost_exclude_each_other_and_stay(
    answers: dict[int, bool], old: frozenset[int], new: frozenset[int]
) -> None:
    """Whoever has not answered may say anything: a decision does not change by it, and a pending one still can."""
    quorum = Quorum(old, new)
    silent = quorum.voters - answers.keys()
    ends = {quorum.verdict({**answers, **dict.fromkeys(silent, last)}) for last in (True, False)}
    verdict = quorum.verdict(answers)
    if verdict is Verdict.PENDING:
        assert ends == {Verdict.WON, Verdict.LOST}
    else:
        assert ends == {verdict}


@given(VOTERS, st.frozensets(st.integers(1, 9)), st.frozensets(st.integers(1, 9)))
def test_two_majorities_of_one_configuration_share_a_voter(
    voters: frozenset[int], some: frozenset[int], others: frozenset[int]
) -> None:
    """That is what a majority is for."""
    quorum = Quorum(voters)
    if quorum.is_met_by(some) and quorum.is_met_by(others):
        assert some & others & voters


@given(VOTERS, st.dictionaries(st.integers(1, 9), st.integers(0, 20)))
def test_what_a_majority_has_reached(voters: frozenset[int], values: dict[int, int]) -> None:
    """The greatest value that a majority has, and none above it."""
    quorum = Quorum(voters)
    reached = quorum.reached(values)
    if reached is None:
        assert not quorum.is_met_by(values.keys())
    else:
        assert quorum.is_met_by({voter for voter, value in values.items() if value >= reached})
        assert not quorum.is_met_by({voter for voter, value in values.items() if value > reached})


def test_of_two_configurations_the_slower_one_counts() -> None:
    """And none where one of them has too few answers."""
    assert Quorum({1, 2, 3}, {3, 4, 5}).reached({1: 9, 2: 9, 3: 5, 4: 4, 5: 1}) == 4
    assert Quorum({1, 2, 3}, {3, 4, 5}).reached({1: 9, 2: 9, 3: 5}) is None


@pytest.mark.parametrize("configurations", [(), ({},), ({1}, {})])
def test_nobody_is_no_configuration(configurations: tuple[set[int], ...]) -> None:
    """It would be won at once."""
    with pytest.raises(ValueError, match="a voter"):
        Quorum(*configurations)
