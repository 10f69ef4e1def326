"""Space-time diagrams of a run: time to the right, a lane for each node, from a `tenure.trace.Trace`.

history    what a trace amounts to: lives, roles, tenures, partitions, gaps and overlaps
words      the same in words, line by line
items      what a picture is made of
scene      which items make up the picture of a run
messages   the lines of messages, thinned where there are too many
labels     where words may stand
looks      colours, patterns and styles
svg        the picture as SVG
legend     what its signs mean
page       the picture as one HTML page with step, play and scrub
"""

from __future__ import annotations

from tenure.render.spacetime.svg import svg
from tenure.render.spacetime.words import text

__all__ = ["svg", "text"]
