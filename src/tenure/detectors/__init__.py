"""Who is alive? Failure detectors as pure cores; what they find reaches electors as Suspected and Trusted.

base        the contract of a detector: one node's opinion on each of its peers
heartbeat   a fixed time-out
phi         phi accrual (Hayashibara and others 2004), with a normal or an exponential distribution
watched     an elector with a detector around it
quality     how fast and how right a detector is (Chen and others 2002)
"""
