"""docs/compatibility.md says what was tested: the versions are those of the files; no page names another Jenkins."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = (ROOT / "docs/compatibility.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("artifact", ["groovy-cps", "groovy-all"])
def test_the_interpreter_of_the_steps_tests_is_that_of_the_pom(artifact: str) -> None:
    pom = (ROOT / "tests/groovy/pom.xml").read_text(encoding="utf-8")
    (version,) = re.findall(rf"<artifactId>{artifact}</artifactId>\s*<version>(.*?)</version>", pom)
    assert f"`{artifact}` {version}" in PAGE


def test_the_jenkins_to_try_it_on_is_that_of_the_image() -> None:
    image = (ROOT / "docker/jenkins.Dockerfile").read_text(encoding="utf-8")
    (version,) = re.findall(r"^FROM jenkins/jenkins:([\d.]+)-", image, re.MULTILINE)
    assert f"Jenkins {version}, the version of `docker/jenkins.Dockerfile`" in PAGE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_jenkins_that_a_page_names_is_among_those_that_were_tried(page: Path) -> None:
    named = set(re.findall(r"Jenkins (2\.\d{3}(?:\.\d)?)\b", page.read_text(encoding="utf-8")))
    assert {version for version in named if f"Jenkins {version}" not in PAGE} == set()


def test_agents_without_the_internet_are_told_of_once() -> None:
    """Two sections of one name answer one question twice, and differ."""
    headings = Counter(
        line
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("## A")
    )
    assert [heading for heading, count in headings.items() if count > 1] == []
