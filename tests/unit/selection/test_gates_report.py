"""The gates as a JUnit report: what Jenkins will show, and that any name from a registry makes valid XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from builders import snapshot, version
from jenkins_mlflow.config.select import Select
from jenkins_mlflow.registry.version import Target
from jenkins_mlflow.selection.gates_report import write_gates_report
from jenkins_mlflow.selection.plan import select

RULES = Select.model_validate({"metric": "auc", "gates": {"auc": ">= 0.8", "brier": "<= 0.2"}})


def test_each_gate_of_each_candidate_is_a_case(tmp_path: Path) -> None:
    """The champion and what is no candidate are left out; a missing metric fails its gate and the first case."""
    found = snapshot(
        version("m", 1, stage="Production", metrics={"auc": 0.7}),
        version("m", 2, metrics={"auc": 0.9, "brier": 0.1}),
        version("m", 3, metrics={"auc": 0.6}),
        version("m", 4, metrics={}),
        version("m", 5, status="PENDING_REGISTRATION"),
    )
    path = write_gates_report(select(found, RULES, Target("Production", None)), tmp_path / "new")

    suite = ET.parse(path).getroot()
    cases = {}
    for case in suite.iter("testcase"):
        failure = case.find("failure")
        cases[case.get("classname"), case.get("name")] = None if failure is None else failure.get("message")
    assert cases == {
        ("gates.m version 2", "auc is known"): None,
        ("gates.m version 2", "auc >= 0.8"): None,
        ("gates.m version 2", "brier <= 0.2"): None,
        ("gates.m version 3", "auc is known"): None,
        ("gates.m version 3", "auc >= 0.8"): "auc is 0.6",
        ("gates.m version 3", "brier <= 0.2"): "brier is unknown",
        ("gates.m version 4", "auc is known"): cases["gates.m version 4", "auc is known"],
        ("gates.m version 4", "auc >= 0.8"): "auc is unknown",
        ("gates.m version 4", "brier <= 0.2"): "brier is unknown",
    }
    assert "auc was not logged" in str(cases["gates.m version 4", "auc is known"])
    assert (suite.get("tests"), suite.get("failures")) == ("9", "5")


@pytest.mark.parametrize("name", ["<b>&\"'", "a\x00b\x1b[31m", "\uffff\ufffe", "\udcff", "]]>", "📦.x"])
def test_any_name_makes_valid_xml(tmp_path: Path, name: str) -> None:
    """What a registry holds cannot break the report, nor leave its attribute."""
    found = snapshot(version(name, 1, metrics={"auc": 0.9}))
    path = write_gates_report(select(found, RULES, Target("Production", None)), tmp_path)
    assert len(ET.parse(path).getroot()) == 3
