"""Prometheus, its alerts and the dashboard: every metric that they name is one that a hub has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import strict_yaml
from tests.support.deployment import DEPLOY, HUBS
from tests.support.hub import RunningHub

ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "neurograph-hub.json"

# Families that only a node with Redis has (hardening.md, section 8): tests/integration/test_topology.py sees them.
NODE_FAMILIES = frozenset(
    f"neurograph_ws_{name}"
    for name in (
        "append_batch_size",
        "bus_lag_entries",
        "canary_seconds",
        "epoch_rotations_total",
        "heals_total",
        "outbox_events",
        "redis_command_seconds",
        "redis_up",
    )
)
# What Prometheus says itself.
OWN = {"up"}

# Alerts that ship (hardening.md, section 8).
EXPECTED = {
    "HubDown",
    "RedisUnreachable",
    "ReadinessFlaps",
    "CanarySlow",
    "EpochRotated",
    "GapsGiven",
    "BusLags",
    "OutboxFills",
    "RecoveriesRefused",
    "LoopLags",
    "MemoryHigh",
    "ReusedTokens",
    "NativePanic",
    "LateDeliveriesBurnFast",
    "LateDeliveriesBurnSlowly",
    "RecoveriesMissObjective",
}


def rules() -> list[dict[str, Any]]:
    return [rule for group in strict_yaml.load(ALERTS)["groups"] for rule in group["rules"]]


def queries() -> Iterator[str]:
    """Every expression of the alerts and the dashboard."""
    yield from (rule["expr"] for rule in rules())
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in document["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    yield from (note["expr"] for note in document["annotations"]["list"])


def families(query: str) -> set[str]:
    """Names of metrics, histograms by their family."""
    bare = re.sub(r'"[^"]*"', "", query)
    names = set(re.findall(r"\b((?:neurograph_(?:ws|signal)|process)_\w+|up(?=\{))", bare))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


@pytest.fixture(scope="module")
def known() -> set[str]:
    """What a hub tells."""
    with RunningHub() as hub:
        text = httpx.get(f"{hub.http_url}/metrics").text
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


@pytest.mark.accept("G17", "G18")
def test_every_metric_that_is_asked_for_is_one_that_a_hub_has(known: set[str]) -> None:
    used = {name for query in queries() for name in families(query)}
    assert len(used) > 25
    assert used - known - NODE_FAMILIES - OWN == set()


@pytest.mark.accept("G1")
def test_the_dashboard_shows_the_metrics_of_nodes() -> None:
    text = DASHBOARD.read_text(encoding="utf-8")
    assert {name for name in NODE_FAMILIES if name not in text} == set()


def test_records_that_are_used_are_records_that_are_made() -> None:
    made = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for query in queries() for name in re.findall(r"\bneurograph:\w+:\w+", query)}
    assert used <= made


@pytest.mark.accept("G17")
def test_every_alert_that_was_promised_is_there_and_says_what_to_do() -> None:
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    assert set(alerts) == EXPECTED
    for rule in alerts.values():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}


def test_both_hubs_are_scraped_with_a_key_from_a_file() -> None:
    (job,) = strict_yaml.load(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{name}:8000" for name in HUBS]}]
    assert set(job["authorization"]) == {"type", "credentials_file"}


@pytest.mark.accept("G18")
def test_the_dashboard_is_provisioned_with_the_source_that_its_panels_ask() -> None:
    (source,) = strict_yaml.load(DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = document["panels"]
    uids = {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"}
    assert uids == {source["uid"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    (provider,) = strict_yaml.load(DEPLOY / "grafana" / "provisioning" / "dashboards" / "files.yml")["providers"]
    assert provider["options"]["path"] == "/var/lib/dashboards"


def test_promtool_reads_the_rules_too(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    checked = subprocess.run(
        [promtool, "check", "rules", ALERTS], capture_output=True, text=True, check=False, timeout=30
    )
    assert checked.returncode == 0, checked.stderr
    shutil.copy(ALERTS, tmp_path)
    (tmp_path / "test.yml").write_text(UNIT_TEST, encoding="utf-8")
    tested = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


# A series of rotations that begins late, and one that was there before.
UNIT_TEST = """
rule_files: [alerts.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - series: 'neurograph_ws_epoch_rotations_total{instance="a", reason="missing"}'
        values: '_x44 1x20'
      - series: 'neurograph_ws_epoch_rotations_total{instance="b", reason="behind"}'
        values: '7x100'
      - series: 'neurograph_ws_redis_up{instance="b"}'
        values: '1x10 0x90'
    alert_rule_test:
      - alertname: EpochRotated
        eval_time: 12m
        exp_alerts:
          - exp_labels: {severity: critical, instance: a, reason: missing}
            exp_annotations:
              summary: "a: the log of a channel began anew (missing)"
              action: >-
                Entries that were acknowledged may be lost; every subscriber was told by a gap. Look at Redis: restart,
                fail-over, FLUSHALL, eviction.
      - alertname: RedisUnreachable
        eval_time: 4m
        exp_alerts:
          - exp_labels: {severity: critical, instance: b}
            exp_annotations:
              summary: "b does not reach Redis"
              action: "It is not ready, and refuses publishes after 5 s. Replays go on from its own log."
"""
