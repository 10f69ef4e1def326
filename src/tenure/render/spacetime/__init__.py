"""Space-time diagrams of a run: time to the right, a lane for each node, from a `tenure.trace.Trace`.

spans      what a run amounts to: lives, roles, tenures, partitions, gaps and overlaps
history    from a trace to these
cuts       a partition in words
words      the run in words, line by line
items      what a picture is made of
scene      which items make up the picture of a run
lanes      those in the lanes of nodes
messages   those of messages, thinned where there are too many
labels     where words may stand
looks      colours, patterns and styles
svg        the picture as SVG
legend     what its signs mean
states     what each node is after each record
page       the picture as one HTML page with step, play and scrub
"""

from __future__ import annotations

from tenure.render.spacetime.page import html
from tenure.render.spacetime.svg import svg
from tenure.render.spacetime.words import text

__all__ = ["html", "svg", "text"]
