"""What an algorithm assumes about the world, and what it promises there, as data that checkers and pages read.

The words are those of Cachin, Guerraoui and Rodrigues, "Introduction to Reliable and Secure Distributed Programming"
(2011), chapter 2.
"""

from __future__ import annotations

import enum

import msgspec


class Synchrony(enum.Enum):
    """What is known about the time that a message and a step take."""

    SYNCHRONOUS = "synchronous"
    """Bounds hold always, and are known: who is silent for longer has crashed."""
    PARTIAL = "partially synchronous"
    """Bounds hold from some unknown instant on. (Dwork, Lynch and Stockmeyer 1988)"""
    ASYNCHRONOUS = "asynchronous"
    """There are none."""


class Crashes(enum.Enum):
    """How nodes fail."""

    STOP = "crash-stop"
    """A node that has crashed never comes back, or comes back as one that knows nothing and says so."""
    RECOVERY = "crash-recovery"
    """It comes back with what it had made durable."""


class Links(enum.Enum):
    """What becomes of messages between nodes that live."""

    RELIABLE_FIFO = "reliable, in order"
    RELIABLE = "reliable, in any order"
    LOSSY = "lost, duplicated and reordered"


class FaultModel(msgspec.Struct, frozen=True, kw_only=True):
    """The faults under which an algorithm keeps its promises; outside them nothing is promised."""

    synchrony: Synchrony
    crashes: Crashes
    links: Links
    partitions: bool
    """Whether links may fail while both of their ends live."""
    clock_drift: bool = False
    """Whether clocks may run at different rates, within a bound that the settings name."""


class Guarantee(enum.Enum):
    """What an algorithm promises within its model. A checker of the laboratory judges each."""

    AGREEMENT = "in the end all that live recognise the same leader"
    GREATEST = "in the end the greatest number that lives leads"
    ONE_PER_TERM = "no two leaders in one term"
    ONE_AT_A_TIME = "no two nodes are authorised at one instant"
    TOKENS_GROW = "every token is greater than all before it"
    TERMINATION = "an election ends once the faults do"
