"""Alerts, dashboard, runbook and reference speak of metrics that there are, with labels that these have."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from typing import Any, NamedTuple

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tenure.announcer import ANNOUNCER
from tenure.clock import ManualClock
from tenure.holding import notices
from tenure.lag import lag_of
from tenure.metrics import Metrics
from tests.metrics.stand_in import held
from tests.tidy.tree import ROOT

OPERATIONS = ROOT / "docs" / "operations"
RUNBOOK = (OPERATIONS / "runbook.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
yaml: Any = importlib.import_module("yaml")  # PyYAML has no types
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((OPERATIONS / "tenure-alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((OPERATIONS / "tenure-dashboard.json").read_text(encoding="utf-8"))
PANEL_EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = [*(rule["expr"] for rule in RULES), *PANEL_EXPRESSIONS]
SCRAPED = {"instance", "job"}
"""Labels that Prometheus adds."""


class Metric(NamedTuple):
    """What the exposition says of one sample's name."""

    kind: str
    labels: frozenset[str]


def exposed() -> dict[str, Metric]:
    """Every sample's name that there can be, by the exposition of a process to which everything has happened."""
    metrics, loop = Metrics(clock=ManualClock()), asyncio.new_event_loop()
    lag_of(loop, "owner")
    try:
        tenure = held(ManualClock())
        who = {"election": "e", "candidate": "a", "at_ns": 0, "token": 1}
        ANNOUNCER.tell(notices.Elected(**who, deadline_ns=1))  # type: ignore[arg-type]  # of texts and numbers
        ANNOUNCER.tell(notices.Renewed(**who, deadline_ns=1, latency_ns=1, left_ns=1, late=False))  # type: ignore[arg-type]  # the same
        metrics.saw("e", "vacant")
        families = list(text_string_to_metric_families(metrics.text(client_go=True)))
        del tenure
    finally:
        loop.close()
        metrics.close()
    return {
        sample.name: Metric(family.type, frozenset(sample.labels)) for family in families for sample in family.samples
    }


EXPOSED = exposed()


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Each metric that an expression names, with the labels that it matches."""
    found = re.findall(r"\b((?:tenure|leader_election)_\w+)(?:\{([^}]*)\})?", expression)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))) for name, inside in found]


def grouped(expression: str) -> set[str]:
    """The labels by which an expression groups or joins."""
    lists = re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression)
    return {label.strip() for one in lists for label in one.split(",")}


def complaints(expression: str) -> list[str]:
    """What is wrong with an expression, as far as it can be seen without Prometheus."""
    found = []
    try:
        promql_parser.parse(expression.replace("$election", ".*"))
    except ValueError as error:
        found.append(f"syntax: {error}")
    named = selectors(expression)
    found += [f"no such metric: {name}" for name, _ in named if name not in EXPOSED]
    known = [(name, labels) for name, labels in named if name in EXPOSED]
    found += [f"{name} has no {label}" for name, labels in known for label in labels - EXPOSED[name].labels]
    there = SCRAPED.union(*(EXPOSED[name].labels for name, _ in known))
    found += [f"nothing has {label}" for label in grouped(expression) - there]
    for function, name in re.findall(r"\b(rate|increase)\((\w+)", expression):
        if name in EXPOSED and EXPOSED[name].kind == "gauge":
            found.append(f"{function} of the gauge {name}")
    return found or ([] if named else ["names no metric"])


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_parses_and_names_what_there_is(expression: str) -> None:
    """In the grammar of Prometheus; metrics, labels and kinds are those of the exposition."""
    assert complaints(expression) == []


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("sum by (election (tenure_is_leader)", "syntax"),
        ("increase(tenure_overruns_total) > 0", "syntax"),
        ("tenure_is_leading == 1", "no such metric: tenure_is_leading"),
        ('tenure_is_leader{reason="x"}', "tenure_is_leader has no reason"),
        ("sum by (reason) (tenure_is_leader)", "nothing has reason"),
        ("rate(tenure_is_leader[5m])", "rate of the gauge tenure_is_leader"),
        ("up == 0", "names no metric"),
    ],
)
def test_a_wrong_expression_would_be_found(expression: str, complaint: str) -> None:
    """Each kind of mistake."""
    assert any(one.startswith(complaint) for one in complaints(expression))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_is_complete_and_has_its_section(rule: dict[str, Any]) -> None:
    """Severity, a summary whose labels the expression keeps, and a link to a section that says what to do."""
    summary, name = rule["annotations"]["summary"], rule["alert"]

    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["runbook"] == f"runbook.md#{name.lower()}"
    section = re.search(rf"^## {name}$(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert len(section[1].split()) > 10
    kept = SCRAPED.union(*(EXPOSED[metric].labels for metric, _ in selectors(rule["expr"])))
    aggregated = re.match(r"\s*(?:sum|max|min|count) by \(([^)]*)\)", rule["expr"])
    if aggregated:
        kept = {label.strip() for label in aggregated[1].split(",")}
    assert set(re.findall(r"\$labels\.(\w+)", summary)) <= kept


def test_the_runbook_has_no_section_without_an_alert() -> None:
    """And no alert stands twice."""
    names = [rule["alert"] for rule in RULES]

    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == names
    assert len(set(names)) == len(names)


def test_the_dashboard_is_laid_out() -> None:
    """Panels have numbers of their own, lie within the 24 columns, do not overlap, and name labels that there are."""
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & own, panel["title"]
        cells |= own
        for target in panel["targets"]:
            there = SCRAPED.union(*(EXPOSED[name].labels for name, _ in selectors(target["expr"])))
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= (grouped(target["expr"]) or there)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    definitions = [one["definition"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    assert definitions == ["label_values(tenure_is_leader, election)"]


def test_the_reference_has_every_metric_with_its_type_and_labels_and_no_other() -> None:
    """A histogram is one row; its label `le` stands there too."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|\s*(.*?)\s*\| .+ \|$", REFERENCE, re.MULTILINE)
    listed = {name: Metric(kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    there = {
        name.removesuffix("_bucket"): metric
        for name, metric in EXPOSED.items()
        if metric.kind != "histogram" or name.endswith("_bucket")
    }

    assert listed == there
    assert len(rows) == len(listed)


def test_everything_that_is_counted_is_on_the_dashboard() -> None:
    """But for what is told by another: the alias."""
    shown = {name for expression in PANEL_EXPRESSIONS for name, _ in selectors(expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in EXPOSED}

    assert families - {re.sub(r"_bucket$", "", name) for name in shown} == {"leader_election_master_status"}
