"""Drives holders against backends, on one daemon thread and one event loop for the whole process.

The keeper shares nothing with the user's loop: renewals leave in time however busy that is. What holders decide it
carries out; it decides nothing itself but how to classify an error (`seat`).

Rules of this package:
 - nothing on the keeper's loop blocks, and no call is awaited without a limit: the holder's wake-ups abandon it;
 - a call that was abandoned is not awaited either; a renewal's late answer is still told to the holder;
 - owners are told by methods that only post to the owner's own loop or thread;
 - what it shares with users' threads is behind no lock that a signal's exception could leave taken (`tenure.bell`).
"""

from tenure.keeper.seat import Guard, Owner, OwnerGoneError, Seat
from tenure.keeper.thread import EXIT_LIMIT_S, Keeper

__all__ = ["EXIT_LIMIT_S", "Guard", "Keeper", "Owner", "OwnerGoneError", "Seat"]
