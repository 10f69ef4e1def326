"""Election algorithms as pure electors: one file is one algorithm is one paper. None of them imports another.

They answer who *should* lead. Whether that node may act is another question, which neither bully nor ring answers:
under a partition each side has a leader.

bully      the greatest number that lives leads (Garcia-Molina 1982)
ring       the greatest number that a token meets on a ring leads (Chang and Roberts 1979)
"""
