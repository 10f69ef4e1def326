"""The page of a run as a file: self-contained, escaped, bounded, with the run as a table; a browser tests the rest."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any
from unittest.mock import patch

import pytest

from tenure.render.spacetime import html, page
from tenure.render.spacetime.states import states
from tenure.trace import Trace
from tests.render import runs
from tests.render.runs import ns


class Reader(HTMLParser):
    """What a page consists of: its elements with their attributes, and the text in each kind of element."""

    def __init__(self, told: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(told)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.texts.setdefault(tag, []).append("")
        if tag not in {"meta", "input", "img", "br", "path", "rect", "circle"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        for tag in self._open[-1:]:
            self.texts[tag][-1] += data


TRACES = [runs.small(), runs.split(), runs.many(), runs.hostile()]


@pytest.mark.parametrize("trace", TRACES)
def test_nothing_is_fetched_and_nothing_but_its_own_script_may_run(trace: Trace) -> None:
    """No address, no handler in an attribute; the policy names exactly the script and the styles that are there."""
    told = html(trace)
    read = Reader(told)
    assert set(re.findall(r"https?://[^\s\"'<]+", told)) <= {"http://www.w3.org/2000/svg"}
    names = {name for _, attributes in read.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in {"src", "href", "style", "action"}}
    assert {tag for tag, _ in read.elements}.isdisjoint({"img", "link", "iframe", "object", "base", "form"})
    assert [attributes.get("type", "") for tag, attributes in read.elements if tag == "script"] == [
        "application/json",
        "",
    ]
    [policy] = [attributes["content"] for tag, attributes in read.elements if "http-equiv" in attributes]
    named = set(re.findall(r"'sha256-([^']+)'", policy))
    there = [read.texts["script"][1], *read.texts["style"]]
    assert named == {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in there}
    assert re.sub(r"'sha256-[^']+'", "X", policy) == (
        "default-src 'none'; script-src X; style-src X X; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("trace", TRACES)
def test_the_run_is_a_table_in_words(trace: Trace) -> None:
    """A row for each record, in order, under headings."""
    told = html(trace)
    body = told.partition('<table id="steps">')[2].partition("</table>")[0]
    rows = re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", body)
    assert len(rows) == len(trace.records)
    assert rows[0][1].endswith("begins") or rows[0][1].startswith("phase")
    assert '<th scope="col">what happened</th>' in body
    read = Reader(told)
    assert ("html", {"lang": "en"}) in read.elements
    [now] = [attributes for _, attributes in read.elements if attributes.get("id") == "now"]
    assert now["aria-live"] == "polite"


def data_of(told: str) -> dict[str, Any]:
    """What the script is given."""
    found: dict[str, Any] = json.loads(Reader(told).texts["script"][0])
    return found


def test_a_hostile_trace_ends_no_element_and_is_filled_into_no_place() -> None:
    """The data has no character that HTML reads; a placeholder in a text stays one."""
    told = html(runs.hostile())
    raw = told.partition('<script type="application/json" id="run">')[2].partition("</script>")[0]
    assert not set(raw) & set("<>&\u2028\u2029")
    assert told.count("</script>") == 2
    assert "@@DATA@@" in told  # as the trace says
    assert "\x00" not in told
    assert "window.pwned" in json.dumps(data_of(told))


def test_numbers_beyond_53_bits_are_words() -> None:
    """A script would round them."""
    assert str(1 << 70) in html(runs.hostile())
    assert '"token": "1180591620717411303424"' in json.dumps(data_of(html(runs.hostile())))


def test_a_page_without_what_is_rare() -> None:
    """No command to run it again, no kinds to skip: no empty paragraph, no box."""
    trace = runs.small()
    bare = html(Trace(trace.head.__class__(version=1, algorithm="x", nodes=(1,), seed=0, until_ns=ns(10)), []))
    assert "Run it again" not in bare
    assert 'id="skip"' not in bare
    assert "Skip HEARTBEAT" in html(runs.many())


def test_more_steps_than_a_page_holds_are_cut_off_and_that_is_said() -> None:
    """In the list of findings."""
    with patch.object(page, "MOST_STEPS", 20):
        told = html(runs.small())
    assert "The steps end at 0.078 s: a page goes through 20 records at most. Choose another window." in told
    assert told.partition('<table id="steps">')[2].partition("</table>")[0].count("<tr><td>") == 20
    assert len(data_of(told)["times"]) == 20


def test_what_nodes_are_by_each_record() -> None:
    """A crash takes role and token; a new life has a number; a clock stays as it is."""
    found = states(runs.split(), [1, 4, 5])
    assert found[1][0].life == "not begun"
    assert [state.life for state in found[1]][-3:] == ["paused", "living", "left"]
    assert found[1][-1].role == ""
    assert found[4][-1].ppm == 200
    assert [(state.token, state.until_ns) for state in found[5] if state.token][:2] == [(1, ns(900)), (1, ns(1300))]
    third = states(runs.small(), [3])[3]
    assert [state.life for state in third][-3:] == ["crashed", "living, life 2", "living, life 2"]


def test_the_same_state_before_the_window() -> None:
    """A page of a window begins with what was before it."""
    data = data_of(html(runs.split(), from_ns=ns(2500), to_ns=ns(2700)))
    states_of = {one["node"]: one["changes"] for one in data["states"]}
    first = states_of["1"][0]
    assert (first["step"], first["life"], first["role"]) == (-1, "paused", "following")
    assert states_of["3"][0]["token"] == "2"
