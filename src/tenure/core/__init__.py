"""What every election algorithm is made of: pure vocabulary, no clock, no network, no files, no chance of its own.

events     what goes into an elector
effects    what comes out of it
elector    the contract of an elector, and the duties of whoever drives one
composed   an elector around another
model      what an algorithm assumes about the world, as data
ballots    what electors by numbered ballots have in common
quorum     votes: pending, won or lost, counted by voter
codec      messages and records as bytes: versioned, limited in size
words      messages and records in words, for traces and counts
"""
