"""YAML as people mean it, with limits: its values, and its errors in one line."""

from __future__ import annotations

import re
from typing import Any

import yaml

from jenkins_mlflow.config.problems import show
from jenkins_mlflow.config.values import Unquoted

MAX_VALUES = 10_000

_NONSENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_BOOL, _INT, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_UNQUOTED_WORD = "tag:yaml.org,2002:word"
_REPLACED_TAGS = (_BOOL, _INT, _FLOAT, "tag:yaml.org,2002:timestamp")
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as PyYAML counts lines
# `auc: >= 0.9` without quotes: YAML takes > for a block of text and ! for a tag.
_UNQUOTED = re.compile(r"([^\s,{}:][^,{}:]*):\s*((?:>=?|!=)\s*[-+.\d]+(?:[eE][-+]?\d+)?)")


class _Unfit(yaml.MarkedYAMLError):
    """Well-formed YAML that no config needs; ``problem`` is the whole message."""


def _unfit(what: str, where: Any) -> _Unfit:
    return _Unfit(problem=f"expected {what}", problem_mark=where.start_mark)


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with a limit on its values, lines in its errors, and values as people mean them.

    Dates, on, off, yes and no stay text, 1e-3 is a number, 010 is ten and 1:30 is not a number, as in YAML
    1.2. The four words, and none, are ``Unquoted`` if they are.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._sizes: dict[int, int] = {}  # of the complete nodes

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Count the values, so that aliases are refused before they expand to more than fits into memory."""
        alias: Any = self.check_event(yaml.AliasEvent) and self.peek_event()  # type: ignore[no-untyped-call]
        before = self._values
        node = super().compose_node(parent, index)
        if not alias:
            self._values += 1
            self._sizes[id(node)] = self._values - before
        elif id(node) in self._sizes:
            self._values += self._sizes[id(node)]
        else:
            raise _unfit("plain YAML values, got one that contains itself", alias)
        if self._values > MAX_VALUES:
            what = f"at most {MAX_VALUES} values, got more (the values of an alias count each time)"
            raise _unfit(what, alias or node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Catch the bare exceptions that PyYAML lets through if an explicit tag has a nonsensical value."""
        try:
            return super().construct_object(node, deep)
        except _NONSENSE as error:
            what = f"plain YAML values, got a value that does not fit its tag {_short_tag(node.tag)}"
            raise _unfit(what, node) from error

    def construct_word(self, node: yaml.ScalarNode) -> Unquoted:
        return Unquoted(self.construct_scalar(node))

    def construct_int(self, node: yaml.ScalarNode) -> int:
        return int(self.construct_scalar(node))


Loader.add_implicit_resolver(_BOOL, re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?\d+$", re.ASCII), list("-+0123456789"))
Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"(?:[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+|[-+]?\.inf|\.nan)$",
        re.ASCII | re.IGNORECASE,
    ),
    list("-+.0123456789"),
)
Loader.add_implicit_resolver(
    _UNQUOTED_WORD, re.compile("(?:yes|no|on|off|none)$", re.IGNORECASE), list("yYnNoO")
)
Loader.add_constructor(_INT, Loader.construct_int)
Loader.add_constructor(_UNQUOTED_WORD, Loader.construct_word)


def line_of(error: yaml.YAMLError, text: str) -> int:
    """The line of an error, counted from 1."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return mark.line + 1 if mark else 1
    return text[: getattr(error, "position", 0)].count("\n") + 1


def explain_yaml(error: yaml.YAMLError, text: str) -> str:
    """The error in the text, in one line."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"expected YAML text, got a character that is not allowed ({getattr(error, 'reason', error)})"
    problem, context = error.problem or "", error.context or ""
    if isinstance(error, _Unfit):
        return problem
    if "expected a single document" in context:
        return "expected one YAML document, got a second one"
    line = _LINE_BREAK.split(text)[line_of(error, text) - 1]
    if slip := _UNQUOTED.search(line[:1000]):
        return f'expected YAML, got a comparison without quotes; write {slip[1]}: "{slip[2]}"'
    if tag := re.search(r"constructor for the tag '(.*)'", problem):
        return f"expected plain YAML values, got the tag {_short_tag(tag[1])}"
    return f"expected YAML, got a syntax error: {', '.join(filter(None, (problem, context)))}"


def _short_tag(tag: str) -> str:
    return show(tag.replace("tag:yaml.org,2002:", "!!"))
