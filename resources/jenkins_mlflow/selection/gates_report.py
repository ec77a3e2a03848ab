"""The selection as a JUnit report: each gate of each candidate is a test case on the build's page in Jenkins."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from jenkins_mlflow.selection.candidates import Verdict
from jenkins_mlflow.selection.plan import Selection
from jenkins_mlflow.text import number, printable

FILE = "gates.xml"


def write_gates_report(selection: Selection, folder: Path) -> Path:
    """Write the report. A candidate without a usable metric fails a test case named after the metric.

    Args:
        selection: The chosen version, and the verdict on each version.
        folder: The report folder; created if it is missing.

    Returns:
        The file.
    """
    suite = ET.Element("testsuite", name="mlflow select")
    for verdict in selection.verdicts:
        if verdict.verdict not in ("champion", "excluded"):
            _add_cases(suite, verdict, selection.metric)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(sum(len(case) for case in suite)))
    folder.mkdir(parents=True, exist_ok=True)
    ET.indent(suite)
    path = folder / FILE
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    return path


def _add_cases(suite: ET.Element, verdict: Verdict, metric: str) -> None:
    # Jenkins reads a class name by its dots: package, then class
    where = f"gates.{printable(verdict.version.label).replace('.', '_')}"
    _add_case(suite, where, f"{metric} is known", "" if verdict.value is not None else verdict.reason)
    for gate in verdict.gates:
        value = "unknown" if gate.value is None else number(gate.value, float(gate.rule.split()[-1]))
        _add_case(
            suite, where, f"{gate.metric} {gate.rule}", "" if gate.passed else f"{gate.metric} is {value}"
        )


def _add_case(suite: ET.Element, where: str, name: str, failure: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=where, name=printable(name))
    if failure:
        ET.SubElement(case, "failure", message=printable(failure))
