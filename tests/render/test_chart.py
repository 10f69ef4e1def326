"""Charts are well-formed, say in words what they draw, and escape what they are given."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tenure.render.chart import LIMIT_POINTS, Panel, Series, svg

SVG = "{http://www.w3.org/2000/svg}"


def panel(*series: Series, is_logarithmic: bool = False) -> Panel:
    """One panel of these lines."""
    return Panel(title="Fail-over", x_label="nodes", y_label="messages", series=series, is_logarithmic=is_logarithmic)


def parsed(text: str) -> ET.Element:
    """The picture as a tree; what is not well-formed raises."""
    return ET.fromstring(text)  # noqa: S314  our own picture


def test_lines_markers_and_words() -> None:
    """A line and a mark for each point, with its value as a tooltip and all values in the description."""
    root = parsed(svg("T", [panel(Series("bully", ((3, 5), (5, 19))), Series("ring", ((3, 5), (5, 11))))]))

    titles = [one.text for one in root.iter(f"{SVG}title")]
    assert "bully, nodes 5: 19" in titles
    assert root.findtext(f"{SVG}desc") == "Fail-over, messages: bully 3: 5 5: 19, ring 3: 5 5: 11"


def test_lines_differ_without_colour() -> None:
    """By their dashes and markers."""
    root = parsed(svg("T", [panel(*(Series(f"s{n}", ((1, n), (2, n))) for n in range(5)))]))
    dashes = [one.get("stroke-dasharray") for one in root.iter(f"{SVG}path") if one.get("stroke-dasharray")]

    assert len(set(dashes)) == 5


@pytest.mark.parametrize("is_logarithmic", [False, True])
@pytest.mark.parametrize("values", [[0, 0], [None, None], [1e-9, 1e9], [7, None], [5, 5]])
def test_any_values_are_drawn_inside_the_panel(values: list[float | None], is_logarithmic: bool) -> None:
    """Zeros, gaps, one value, very small and very large ones."""
    root = parsed(svg("T", [panel(Series("s", tuple(enumerate(values))), is_logarithmic=is_logarithmic)]))

    for one in root.iter(f"{SVG}path"):
        moved = one.get("transform", "")
        if moved.startswith("translate(") and one.find(f"{SVG}title") is not None:
            x, y = (float(word) for word in moved.removeprefix("translate(").removesuffix(")").split())
            assert 0 <= x <= 360
            assert 0 <= y <= 260


def test_names_are_escaped() -> None:
    """Whatever an algorithm is called."""
    root = parsed(svg("<T>", [panel(Series("</svg><script>", ((1, 2),)))]))

    assert not list(root.iter(f"{SVG}script"))


def test_too_many_points_are_refused() -> None:
    """A picture of them would be none."""
    with pytest.raises(ValueError, match="compare fewer"):
        svg("T", [panel(Series("s", tuple((n, n) for n in range(LIMIT_POINTS + 1))))])


def test_marks_beside_a_line_are_hollow_and_have_its_colour() -> None:
    """What was published stands beside what was measured, without a line and without a place in the legend."""
    beside = Series("ring, published", ((3, 6), (5, 12)), beside="ring")
    root = parsed(
        svg("T", [panel(Series("bully", ((3, 5),)), Series("ring", ((3, 5), (5, 11)), is_bare=True), beside)])
    )

    lines = [one for one in root.iter(f"{SVG}path") if one.get("stroke-dasharray") and one.get("d") != "M0 0H34"]
    marks = {one.findtext(f"{SVG}title"): one for one in root.iter(f"{SVG}path") if one.findtext(f"{SVG}title")}
    assert set(marks) == {"bully, nodes 3: 5", "ring, published, nodes 3: 6", "ring, published, nodes 5: 12"}
    hollow = marks["ring, published, nodes 5: 12"]
    assert (hollow.get("fill"), hollow.get("stroke")) == ("#fff", lines[1].get("stroke"))
    assert len(lines) == 2
    assert "ring, published" not in {one.text for one in root.iter(f"{SVG}text")}


def test_x_may_grow_by_powers_of_ten() -> None:
    """Between two powers of ten there is as much room as between the next two."""
    points = Series("s", ((10, 1), (100, 2), (1000, 3)))
    drawn = Panel(title="T", x_label="ms", y_label="%", series=(points,), is_logarithmic_x=True)
    root = parsed(svg("T", [drawn]))

    places = [one.get("transform", "") for one in root.iter(f"{SVG}path") if one.findtext(f"{SVG}title")]
    first, second, third = (float(place.split()[0].removeprefix("translate(")) for place in places)
    assert second - first == pytest.approx(third - second, abs=0.2)
    assert {"10", "100", "1000"} <= {one.text for one in root.iter(f"{SVG}text")}
