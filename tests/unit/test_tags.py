"""docs/tags.md names every tag: who reads a tag in MLflow and wonders finds it there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from jenkins_mlflow import tags

PAGE = (Path(__file__).parents[2] / "docs" / "tags.md").read_text(encoding="utf-8")
TAGS = {
    name: value
    for name, value in vars(tags).items()
    if name.isupper()
    and isinstance(value, str)
    and value.startswith(tags.TAG_PREFIX)
    and name != "TAG_PREFIX"
}
# Named in short beside the tag before them.
SHORT = {
    "ROLLED_BACK_BY": "`_by`",
    "ROLLED_BACK_FROM": "`_from`",
    "JOURNAL_BUILD": "`.build`",
    "JOURNAL_PART": "`.part.N`",
}


RECORDED = {  # where the tags of a record are put together
    "commands/promote/promote.py": "_record",
    "commands/promote/carry_out.py": "rollback_tags",
    "promotion/record.py": "before_tags",
    "promotion/recovery.py": "_record",
    "commands/adopt.py": "_tag",
}


@pytest.mark.parametrize("name", TAGS)
def test_the_page_names_the_tag(name: str) -> None:
    if name in SHORT:
        assert SHORT[name] in PAGE
    else:
        assert f"`{TAGS[name]}" in PAGE


def test_every_tag_of_the_promotion_record_is_among_those_of_a_version() -> None:
    table = PAGE.partition("## On a version")[2].partition("\n## ")[0]
    names = {value: SHORT.get(name, f"`{value}`") for name, value in TAGS.items()}
    assert [tag for tag in sorted(tags.RECORD_TAGS) if names[tag] not in table] == []


@pytest.mark.parametrize(("path", "function"), RECORDED.items())
def test_what_goes_into_a_record_is_signed(path: str, function: str) -> None:
    """By RECORD_TAGS: a tag that is missing there would be believed without a signature."""
    tree = ast.parse((Path(tags.__file__).parent / path).read_text(encoding="utf-8"))
    (found,) = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    used = {node.id for node in ast.walk(found) if isinstance(node, ast.Name) and node.id in TAGS}
    assert used
    assert {TAGS[name] for name in used} <= tags.RECORD_TAGS
