"""Compares a job's XML with the one that Jenkins has stored, ignoring what Jenkins adds by itself.

After a job's first build, Jenkins stores it again: with plugin versions, default values and empty elements,
in another order, and with the settings of the Jenkinsfile (parameters, triggers, options). It records the
latter under ``actions``, and removes them when the Jenkinsfile no longer has them. That record distinguishes
a Jenkinsfile's settings from those of a person.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from jenkins_mlflow.errors import JenkinsError
from jenkins_mlflow.jenkins_jobs.failures import SAVE_ANEW
from jenkins_mlflow.jenkins_jobs.job_xml import LISTS, NOT_CONCURRENT, PARAMETERS, TRIGGERS
from jenkins_mlflow.text import one_line, printable, redact

_SECRET_TAG = re.compile(r"token|password|secret|passphrase", re.IGNORECASE)
_ENCRYPTED = re.compile(r"\{AQ[A-Za-z0-9+/=]+\}")
# In these, "false" is ordinary text.
_TEXTS = {"name", "description", "defaultValue"}
_DEEPEST = 100  # levels; the comparison is recursive
# An empty property of any other class is one that a plugin adds to every job that somebody saves.
_SAYS_SOMETHING_EMPTY = {
    NOT_CONCURRENT,
    "org.jenkinsci.plugins.workflow.job.properties.DisableResumeJobProperty",
}


def parse(name: str, text: str) -> ET.Element:
    """Read a stored config.xml.

    Jenkins declares it as XML 1.1, but writes XML 1.0 unless somebody pastes control characters into a form.
    """
    if "<!DOCTYPE" in text:
        raise JenkinsError(
            f"the config.xml of {printable(name)} declares a document type, which Jenkins never does",
            next_step=SAVE_ANEW,
        )
    try:
        root = ET.fromstring(text)  # noqa: S314  no entities without a document type
    except ET.ParseError as error:
        raise JenkinsError(
            f"the config.xml of {printable(name)} cannot be read: {one_line(str(error))}",
            next_step=SAVE_ANEW,
        ) from error
    level, depth = [root], 0
    while level:
        level, depth = [child for node in level for child in node], depth + 1
    if depth > _DEEPEST:
        raise JenkinsError(
            f"the config.xml of {printable(name)} is nested deeper than any that Jenkins writes",
            next_step=SAVE_ANEW,
        )
    return root


@dataclass(frozen=True)
class Declared:
    """The parts of a job that come from its Jenkinsfile, by Jenkins' own record of them."""

    properties: frozenset[str]
    triggers: frozenset[str]
    parameters: frozenset[str]

    @classmethod
    def by(cls, root: ET.Element) -> Declared:
        """Read the record of a stored job."""

        def names(tag: str) -> frozenset[str]:
            return frozenset(node.text or "" for node in root.iterfind(f"actions/*/{tag}/string"))

        return cls(
            names("jobProperties") | names("jobPropertyDescriptors"), names("triggers"), names("parameters")
        )


def merge(current: ET.Element, wanted: ET.Element) -> ET.Element:
    """The wanted job, with the stored job's settings from its Jenkinsfile, and Jenkins' record of them."""
    declared, merged = Declared.by(current), copy.deepcopy(wanted)
    for tag in ("actions", "properties"):
        if merged.find(tag) is None:
            ET.SubElement(merged, tag)
    record, properties = merged.find("actions"), merged.find("properties")
    assert record is not None
    assert properties is not None
    record[:] = [copy.deepcopy(node) for node in current.iterfind("actions/*")]
    for node in current.iterfind("properties/*"):
        if _class_name(node) in declared.properties:
            others = [element for element in properties if element.tag != node.tag]
            properties[:] = [*others, copy.deepcopy(node)]
        elif node.tag == TRIGGERS:
            _keep(properties, node, lambda trigger: _class_name(trigger) in declared.triggers, _class_name)
        elif node.tag == PARAMETERS:
            _keep(properties, node, lambda item: _name(item) in declared.parameters, _name)
    return merged


def _keep(
    properties: ET.Element,
    stored: ET.Element,
    declared: Callable[[ET.Element], bool],
    key: Callable[[ET.Element], str],
) -> None:
    """Keep those items of a stored property's list that the Jenkinsfile declares, each in its place."""
    stored_items = stored.findall(f"{LISTS[stored.tag]}/*")
    names = {key(item) for item in stored_items if declared(item)}
    if not names:
        return
    counterpart = properties.find(stored.tag)
    if counterpart is None:
        counterpart = ET.SubElement(properties, stored.tag)
        ET.SubElement(counterpart, LISTS[stored.tag])
    items = counterpart[0]
    others = iter([item for item in items if key(item) not in names])
    merged = [copy.deepcopy(item) if declared(item) else next(others, None) for item in stored_items]
    items[:] = [*(item for item in merged if item is not None), *others]


def canonical(root: ET.Element) -> str:
    """The job as text that is equal for two jobs with the same meaning; without secrets."""
    plain = _plain(root)
    if plain is None:
        return ""
    ET.indent(plain)
    return ET.tostring(plain, encoding="unicode") + "\n"


def difference(name: str, before: str, after: str) -> str:
    """A unified diff of two canonical texts, safe to print."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} (in Jenkins)", f"{name} (jobs.yaml)", lineterm=""
    )
    return "\n".join(printable(redact(line)) for line in lines)


def _plain(node: ET.Element, parent: str = "") -> ET.Element | None:
    """The element without insignificant parts; None if nothing is left of it."""
    # A class without a dot is XStream's own name for a list.
    attributes = {
        k: v for k, v in node.attrib.items() if k != "plugin" and not (k == "class" and "." not in v)
    }
    plain = ET.Element(node.tag, attributes)
    if node.tag == "choices":  # in an array, in an array list or bare, depending on the version of Jenkins
        plain.attrib.clear()
        plain[:] = [_leaf(choice) for choice in node.iter("string")]
    else:
        inner = (_plain(child, node.tag) for child in node if not (parent == "" and child.tag == "actions"))
        kept = [child for child in inner if child is not None]
        # The order of fields does not matter, except that of parameters.
        plain[:] = kept if node.tag == LISTS[PARAMETERS] else sorted(kept, key=lambda child: child.tag)
        if not len(node):
            plain.text = _leaf(node).text
    is_object = "." in node.tag and (parent != "properties" or node.tag in _SAYS_SOMETHING_EMPTY)
    if len(plain) or plain.attrib or is_object or node.tag == "string":
        return plain
    # An absent boolean is false to Java, an absent list or text is empty.
    return None if not plain.text or (plain.text == "false" and node.tag not in _TEXTS) else plain


def _leaf(node: ET.Element) -> ET.Element:
    leaf, text = ET.Element(node.tag), (node.text or "").replace("\r\n", "\n")
    text = text if node.tag == "defaultValue" else text.strip()  # spaces are part of a default
    leaf.text = "***" if text and _SECRET_TAG.search(node.tag) else _ENCRYPTED.sub("***", text)
    return leaf


def _class_name(node: ET.Element) -> str:
    """The Java class of a tag, without XStream's escapes."""
    return node.tag.replace("_-", "$").replace("__", "_")


def _name(node: ET.Element) -> str:
    return node.findtext("name") or ""
