"""What happened to this process's candidates, in numbers, as Prometheus reads them.

`exposition` writes the format, `tally` adds notices up, `collector` answers a scrape. What changes by the clock alone
(who leads, for how long still) is never remembered: it is asked when somebody wants to know.
"""

from tenure.metrics.collector import LIMIT, OVERFLOW, Metrics
from tenure.metrics.exposition import CONTENT_TYPE
from tenure.metrics.tally import Sight

__all__ = ["CONTENT_TYPE", "LIMIT", "OVERFLOW", "Metrics", "Sight"]
