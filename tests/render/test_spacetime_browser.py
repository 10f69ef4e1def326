"""The page of a run in a real browser: it steps, plays, scrubs and zooms, asks for nothing, and runs no
stranger.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenure.render.spacetime import html, svg
from tenure.trace import Trace
from tests.render import runs
from tests.render.devtools import Browser, Page, started
from tests.render.png import colours

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests here."""
    with started() as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page of it."""
    one = Page(browser)
    yield one
    one.close()


def show(page: Page, trace: Trace, directory: Path) -> Path:
    """Load the page of a trace."""
    path = directory / "run.html"
    path.write_text(html(trace), encoding="utf-8")
    page.load(path)
    return path


def now(page: Page) -> str:
    """What the page says that has just happened."""
    return str(page.value("document.getElementById('now').textContent"))


def states(page: Page) -> list[list[str]]:
    """The table of nodes at this step, without their names."""
    rows = "[...document.querySelectorAll('#nodes tbody tr')]"
    table: list[list[str]] = page.value(f"{rows}.map((row) => [...row.cells].slice(1).map((cell) => cell.textContent))")
    return table


def head_x(page: Page) -> float:
    """Where the head that goes through the run stands."""
    return float(page.value("document.querySelector('.playhead').getAttribute('d').match(/^M([0-9.]+)/)[1]"))


def test_it_loads_without_a_complaint_and_asks_for_nothing_else(page: Page, tmp_path: Path) -> None:
    """One file from the disk; no error, no refused script or style, no other address."""
    path = show(page, runs.split(), tmp_path)
    page.click("#forward")
    assert page.complaints() == []
    assert page.requests() == [path.as_uri()]


def test_a_complaint_would_be_seen(page: Page, tmp_path: Path) -> None:
    """A script that the page's policy does not name is refused, with an entry in the log; so is any address."""
    path = tmp_path / "run.html"
    told = html(runs.small()).replace("</body>", "<script>window.pwned = 1</script><img src='x.png'></body>")
    path.write_text(told, encoding="utf-8")
    page.load(path)
    assert page.value("window.pwned") is None
    page.value("1")
    assert len([one for one in page.complaints() if "Content Security Policy" in one]) == 2


@pytest.mark.parametrize(
    ("trace", "from_ms", "to_ms"),
    [
        (runs.small(), 0, 1000),
        (runs.split(), 0, 4000),
        (runs.many(), 0, 20_000),
        (runs.many(), 2000, 2100),
        (runs.split(), 1013, 1877),
    ],
)
def test_the_script_draws_what_the_file_holds(
    page: Page, trace: Trace, from_ms: float, to_ms: float, tmp_path: Path
) -> None:
    """For the whole window the script's picture and the one without it are the same, element by element."""
    window = {"from_ns": runs.ns(from_ms), "to_ns": runs.ns(to_ms)}
    path = tmp_path / "run.html"
    path.write_text(html(trace, **window), encoding="utf-8")
    page.load(path)
    page.value("document.getElementById('first').click()")
    page.value(f"window.parsed = new DOMParser().parseFromString({json.dumps(svg(trace, **window))}, 'image/svg+xml')")
    by_script = page.value(f"({ELEMENTS})(document.querySelector('figure svg'))")
    by_file = page.value(f"({ELEMENTS})(parsed.documentElement)")
    assert len(by_file) > 50
    assert by_script == by_file


ELEMENTS = """(root) => [...root.querySelectorAll('.scene > g > *, .axes > *')].map((one) => [
  one.tagName, one.textContent,
  ...[...one.attributes].map((at) => `${at.name}=${at.value.replace(/ now$/, '').replace(/#t[0-9a-f]+/, '#')}`).sort(),
])"""
"""A picture's elements, without the ids of its pattern and without what the step at hand lights up."""


def test_steps_go_forward_and_back(page: Page, tmp_path: Path) -> None:
    """Each step is one record: its words, its row, the head, and what every node is by then."""
    trace = runs.small()
    show(page, trace, tmp_path)
    assert now(page) == "0.900 s: node 3 is quiet; it knows of no leader (term 0)"
    page.click("#first")
    assert now(page) == "0.000 s: node 1 begins"
    assert states(page)[0][:3] == ["living", "-", "none"]
    assert states(page)[2][0] == "not begun"
    page.click("#forward")
    page.click("#forward")
    assert now(page) == "0.000 s: node 2 begins"
    assert states(page)[0][:3] == ["living", "quiet", "none"]
    page.click("#back")
    assert now(page) == "0.000 s: node 1 is quiet; it knows of no leader (term 0)"
    assert page.value("document.querySelector('#steps [aria-current=step]').sectionRowIndex") == 1
    page.click("#last")
    assert states(page) == [
        ["living", "following", "2", "0", "nothing", "right"],
        ["living", "leading", "2", "0", "nothing", "right"],
        ["living, life 2", "quiet", "none", "0", "nothing", "right"],
    ]
    assert page.value("document.getElementById('forward').disabled")


def test_the_table_tells_tokens_pauses_and_clocks(page: Page, tmp_path: Path) -> None:
    """A token counts until its deadline has passed, though nobody says so."""
    trace = runs.split()
    show(page, trace, tmp_path)

    def at(ms: float) -> list[list[str]]:
        last = max(step for step, record in enumerate(trace.records) if record.at_ns <= runs.ns(ms))
        page.click(f"#steps tbody tr:nth-child({last + 1})")
        return states(page)

    assert at(310)[4] == ["living", "leading", "5", "1", "token 1, until 0.900 s", "right"]
    assert at(1250)[4][4] == "token 1, until 1.300 s"
    assert at(1410)[4][4] == "nothing"
    assert at(2500)[0][0] == "paused"
    assert at(2500)[2][4] == "token 2, until 3.300 s"
    assert at(3300)[2][4] == "nothing"
    assert at(4000)[3][5] == "+200 ppm"
    assert at(4000)[0][0] == "left"


def test_it_plays_to_the_end_and_pauses(page: Page, tmp_path: Path) -> None:
    """Play goes on by itself, shows messages on their way, is paused by the same button, and stops at the end."""
    show(page, runs.small(), tmp_path)
    page.click("#first")
    page.value("document.getElementById('speed').value = '10'")
    page.click("#play")
    assert page.value("document.getElementById('play').textContent") == "Pause"
    assert page.value("document.getElementById('now').getAttribute('aria-live')") == "off"
    page.until("document.querySelectorAll('.head .dot').length > 0")
    page.click("#play")
    assert page.value("document.getElementById('play').textContent") == "Play"
    assert page.value("document.getElementById('now').getAttribute('aria-live')") == "polite"
    stopped = now(page)
    page.value("document.getElementById('speed').value = '100'")
    page.click("#play")
    page.until("document.getElementById('play').textContent === 'Play'")
    assert now(page) != stopped
    assert now(page).startswith("0.900 s: node 3 is quiet")


def test_it_scrubs_by_mouse_and_tells_where_it_is(page: Page, tmp_path: Path) -> None:
    """A press in the middle of the slider goes to the middle of the run."""
    trace = runs.split()
    show(page, trace, tmp_path)
    x, y = page.middle("#scrub")
    page.press(x, y)
    step = page.value("Number(document.getElementById('scrub').value)")
    assert abs(step - len(trace.records) / 2) <= 2
    told = page.value("document.getElementById('scrub').getAttribute('aria-valuetext')")
    assert told == f"step {step + 1} of {len(trace.records)}, {now(page)}"


def test_it_is_used_by_keys_alone(page: Page, tmp_path: Path) -> None:
    """Arrows, Home, End and space, wherever the focus is; on a button space presses that button, once."""
    show(page, runs.small(), tmp_path)
    page.key("Home")
    assert now(page) == "0.000 s: node 1 begins"
    page.key("ArrowRight")
    page.key("ArrowRight")
    page.key("ArrowLeft")
    assert now(page) == "0.000 s: node 1 is quiet; it knows of no leader (term 0)"
    page.value("document.getElementById('scrub').focus()")
    page.key("ArrowRight")
    assert now(page) == "0.000 s: node 2 begins"
    page.key(" ", "Space")
    assert page.value("document.getElementById('play').textContent") == "Pause"
    page.key("End")
    assert page.value("document.getElementById('play').textContent") == "Play"
    page.value("document.getElementById('back').focus()")
    page.key(" ", "Space")
    assert now(page) == "0.900 s: node 3 begins life 2"


def test_zoom_shows_what_was_too_close_together(page: Page, tmp_path: Path) -> None:
    """In a window of a long run the kinds of messages stand at their lines; the whole run comes back."""
    show(page, runs.many(), tmp_path)
    named = "document.querySelectorAll('.scene text.kind').length"
    assert page.value(named) == 0
    page.value("document.querySelectorAll('#steps tbody tr')[40].click()")
    for _ in range(7):
        page.key("+")
    assert page.value(named) > 1
    x = head_x(page)
    assert 118 <= x <= 1172  # in the plot
    page.key("End")  # the window goes with the head
    assert 118 <= head_x(page) <= 1172
    ticks = page.value("[...document.querySelectorAll('.axes text')].map((one) => one.textContent)")
    page.key("0", "Digit0")
    assert page.value(named) == 0
    assert page.value("[...document.querySelectorAll('.axes text')].map((one) => one.textContent)") != ticks


def test_heartbeats_are_passed_over_unless_asked_for(page: Page, tmp_path: Path) -> None:
    """They are most of a run and say the least; the step at hand stays when they come back."""
    trace = runs.many()
    show(page, trace, tmp_path)
    page.key("Home")
    for _ in range(60):
        page.key("ArrowRight")
        assert "HEARTBEAT" not in now(page)
    stayed, most = now(page), "Number(document.getElementById('scrub').max)"
    few = page.value(most)
    page.click("#skip")
    assert now(page) == stayed
    assert page.value(most) == len(trace.records) - 1 > 2 * few
    page.until("(document.getElementById('forward').click(), document.getElementById('now').textContent"
               ".includes('HEARTBEAT'))")  # fmt: skip  # one condition
    page.click("#skip")
    assert "HEARTBEAT" not in now(page)
    assert page.value(most) == few


def test_who_asks_for_less_motion_gets_steps(page: Page, tmp_path: Path) -> None:
    """The head jumps from record to record: it is never seen in between, and no message moves."""
    page.media(prefers_reduced_motion="reduce")
    show(page, runs.small(), tmp_path)
    page.click("#first")
    page.value(
        "window.seen = new Set(); new MutationObserver(() => seen.add(document.querySelector('.playhead')"
        ".getAttribute('d').match(/^M([0-9.]+)/)[1])).observe(document.querySelector('.playhead'), {attributes: true})"
    )
    page.value("document.getElementById('speed').value = '30'")
    page.click("#play")
    page.until("document.getElementById('play').textContent === 'Play'")
    trace = runs.small()
    allowed = {round(118 + record.at_ns * 1054 / runs.ns(1000), 1) for record in trace.records} | {1172.0}
    seen = {float(x) for x in page.value("[...seen]")}
    assert len(seen) > 5
    assert all(min(abs(x - one) for one in allowed) < 0.11 for x in seen)


def test_a_screen_reader_has_names_for_everything(page: Page, tmp_path: Path) -> None:
    """Buttons, slider, picture and tables have roles and names, and the text of the run is a table."""
    show(page, runs.split(), tmp_path)
    nodes = page.command("Accessibility.getFullAXTree")["nodes"]
    found: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            found.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert found["button"] == ["First", "Step back", "Play", "Step", "Last", "Zoom in", "Zoom out", "Whole run"]
    assert found["slider"] == ["Step of the run"]
    assert found["combobox"] == ["Speed"]
    [picture] = [*found.get("image", []), *found.get("img", [])]
    assert picture.startswith("bully+lease, 5 nodes, seed 7")
    assert "Two or more believe that they lead at once for 1.15 s in all: nodes 3 and 5." in picture
    assert found["heading"][:3] == [
        "bully+lease, 5 nodes, seed 7",
        "The nodes at this step",
        "What happened, step by step",
    ]
    assert len(found["table"]) == 4
    assert {"time", "what happened", "node", "leader", "term"} <= set(found["columnheader"])
    assert "node 3 may act under token 2 until 3.300 s" in [*found.get("cell", []), *found.get("gridcell", [])]
    assert set(found["region"]) == {
        "Go through the run",
        "The nodes at this step",
        "What happened, step by step",
        "Who believes that it leads",
        "Who may act",
    }
    assert all(all(found[role]) for role in ("button", "slider", "columnheader", "region"))


def test_it_has_colours_in_the_light_and_in_the_dark(page: Page, tmp_path: Path) -> None:
    """A screenshot has many colours; the background follows the user's wish, and the words stay readable."""
    show(page, runs.split(), tmp_path)

    def common() -> tuple[bytes, int]:
        clip = {"x": 20, "y": 240, "width": 500, "height": 400, "scale": 1}
        shot = page.command("Page.captureScreenshot", format="png", clip=clip)
        seen = colours(base64.b64decode(shot["data"]))
        return max(seen, key=lambda one: seen[one]), len(seen)

    page.media(prefers_color_scheme="light")
    light, many = common()
    assert (light, many > 20) == (b"\xff\xff\xff", True)
    page.media(prefers_color_scheme="dark")
    dark, many = common()
    assert (max(dark) < 0x40, many > 20) == (True, True)


def test_on_a_narrow_window_the_picture_is_moved_and_not_shrunk(page: Page, tmp_path: Path) -> None:
    """On a telephone its words keep a size that can be read; the page itself is as wide as the window."""
    page.command("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=False)
    show(page, runs.split(), tmp_path)

    assert page.value("document.querySelector('figure svg').getBoundingClientRect().width") >= 800
    assert page.value("document.querySelector('figure').clientWidth") < 400
    assert page.value("document.documentElement.scrollWidth") == 400


def test_a_hostile_trace_does_nothing(page: Page, tmp_path: Path) -> None:
    """Whatever a trace says is shown as words: no script of it runs, and nothing is loaded."""
    path = show(page, runs.hostile(), tmp_path)
    for _ in range(16):
        page.key("ArrowLeft")
    page.key("+")
    assert page.value("window.pwned") is None
    assert page.complaints() == []
    assert page.requests() == [path.as_uri()]
    assert page.value("document.querySelectorAll('img').length") == 0
    assert page.value("document.querySelectorAll('script').length") == 2
    assert "window.pwned=1" in page.value("document.querySelector('h1').textContent")


def test_without_scripts_there_is_a_picture_and_a_table(page: Page, tmp_path: Path) -> None:
    """Who allows no scripts sees the whole run, and no control that does nothing."""
    page.command("Emulation.setScriptExecutionDisabled", value=True)
    show(page, runs.small(), tmp_path)
    roles = [one["role"]["value"] for one in page.command("Accessibility.getFullAXTree")["nodes"] if not one["ignored"]]
    assert "slider" not in roles
    assert "button" not in roles
    assert {"image", "table"} <= set(roles)


def test_the_svg_stands_alone(page: Page, tmp_path: Path) -> None:
    """The other form of the picture loads by itself, with nothing to complain of."""
    path = tmp_path / "run.svg"
    path.write_text(svg(runs.split()), encoding="utf-8")
    page.load(path)
    assert page.complaints() == []
    assert page.requests() == [path.as_uri()]
    assert page.value("document.documentElement.getBBox().width") > 1000


def test_a_long_run_is_laid_out_in_bounds(page: Page, tmp_path: Path) -> None:
    """The most that a page holds still loads, steps and says what it leaves out."""
    trace = runs.many(nodes=9, messages=8000, seconds=200)
    path = show(page, trace, tmp_path)
    assert path.stat().st_size < 8_000_000
    page.key("ArrowLeft")
    assert page.complaints() == []
    assert re.search(r"Left out, .*HEARTBEAT", page.value("document.querySelector('.findings').textContent"))
