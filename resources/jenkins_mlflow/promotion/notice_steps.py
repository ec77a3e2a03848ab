"""The notice's steps: what to open, click and type in MLflow's own pages, from the link to the confirmed stage.

Everything in double quotes is a label as MLflow's pages show it ("->" is an arrow there). A browser test
follows these exact sentences on real servers (tests/browser/test_notice_browser.py), so a label that is not
on the page is noticed.

Observed in the pages of 2.22.4, 3.0.1, 3.3.2, 3.5.1, 3.10.1 and 3.17.2: stages can be changed only while "New
model registry UI" is off, aliases only while it is on, and the switch applies to all pages in a browser. All
versions except 3.17.2 greet a new browser with a dialog that covers the page.

Aliases are set on the model's page, in the table of its versions. They could be set on a version's page, but
with more than 100 models that page loses its own model: the list of the first 100 arrives last and replaces
it. Then the page shows no aliases, and its dialog does not open (2.22.4) or cannot save (3.17.2).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from jenkins_mlflow.config.promote import DEFAULT_ALIASES
from jenkins_mlflow.promotion.outcome import Outcome
from jenkins_mlflow.promotion.plan import Plan
from jenkins_mlflow.registry.connection import HTTP_SCHEMES, is_affected
from jenkins_mlflow.registry.version import ARCHIVED, PRODUCTION, Version
from jenkins_mlflow.text import argument, printable, redact

_GREETING = "Flexible, governed deployments with the new Model Registry UI"
_NO_GREETING_SINCE = (3, 17)
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_FREE_PORT = 1024  # lower ones are reserved for root
_SWITCH_SINCE = (2, 22)  # the oldest version whose page was checked
_SHOW_STAGES = (
    'Switch off "New model registry UI", on the right of the page, and answer the dialog with "Disable"{old}: '
    "stages can be changed only then, and aliases no longer show."
)
_OLD = " (an old MLflow has no such switch: go on)"
_CHOOSE = 'the drop-down beside "Stage", choose "Transition to -> {stage}"'
_TICK = ', tick "Transition existing {stage} model version to Archived"'
_NO_TICK = (
    " Leave the box in the dialog unticked: it takes the present version out of {stage} even if the change "
    "then fails."
)


@dataclass(frozen=True)
class Facts:
    """The facts that the notice is built from.

    Attributes:
        uri: The tracking URI; shown without its password.
        server_version: None if the server did not report it.
        file_store: Whether the server keeps its registry in files; None if that is unknown.
        ui_url, tunnel: From the config's ``ui`` section.
        host: The machine that this process runs on.
    """

    plan: Plan
    outcome: Outcome
    uri: str
    server_version: str | None
    file_store: bool | None
    ui_url: str | None = None
    tunnel: str | None = None
    host: str = field(default_factory=socket.gethostname)

    @property
    def may_fail_in_the_ui(self) -> bool:
        """Whether a known fault of MLflow may make a stage change in the UI fail; also True if that is unknown."""
        return (
            self.plan.target.stage is not None
            and is_affected(self.server_version) is not False
            and self.file_store is not False
        )


def ui_steps(facts: Facts, name: Callable[[str], str], code: Callable[[str], str]) -> list[str]:
    """The steps in order.

    All aliases come first, because the UI no longer shows them once it shows stages. A version leaves
    production only after the candidate is in it.

    Args:
        facts: What to promote, and where.
        name: Escapes text from the registry for the notice's format (terminal or Markdown).
        code: The same for a command to copy.
    """
    opened = f"Open {_page(facts, facts.plan.candidate)}"
    aliases, stages = _alias_steps(facts, name), _stage_steps(facts)
    if stages:
        old = "" if _at_least(facts, _SWITCH_SINCE) else _OLD
        stages[:0] = [opened, _SHOW_STAGES.format(old=old)]
    first, *more = [*aliases, *stages] or [opened]
    return [*_way_in(facts, code), first, *_greeting(facts), *more, f"Check: {code(_check(facts))}"]


def _alias_steps(facts: Facts, name: Callable[[str], str]) -> list[str]:
    """The candidate's alias first, so that the group never lacks one."""
    candidate, alias = facts.plan.candidate, facts.plan.target.alias
    if not alias:
        return []
    steps = []
    if facts.plan.needs_alias and _is_missing(facts, "alias"):
        button = "the pencil" if candidate.aliases else '"Add"'
        steps += _in_the_table(facts, candidate, button, f"type {name(alias)}, press Enter")
    for old in _serving(facts, facts.plan.others):
        if alias in old.aliases:
            steps += _in_the_table(facts, old, "the pencil", f"remove {name(alias)}")
    return steps


def _in_the_table(facts: Facts, version: Version, button: str, change: str) -> list[str]:
    row = f'Find the row of "Version {version.number}", click {button} below "Aliases"'
    model = _page(facts, version).rpartition("/versions/")[0]
    return [f"Open {model}", f'{row}, {change} and click "Save aliases".']


def _stage_steps(facts: Facts) -> list[str]:
    """The candidate's change first; the versions that leave production follow in separate steps."""
    plan, stage = facts.plan, facts.plan.target.stage
    if not stage:
        return []
    steps = []
    previous = [version for version in _serving(facts, plan.previous) if version.stage == stage]
    leaving = [version for version in _serving(facts, plan.others) if version.stage == stage]
    missing = plan.needs_stage and _is_missing(facts, "stage")
    candidate_staged = any(version.stage == stage for version in _serving(facts, (plan.candidate,)))
    if missing and not candidate_staged:
        tick = bool(previous) and not facts.may_fail_in_the_ui
        box = _TICK.format(stage=stage) if tick else ""
        warning = _NO_TICK.format(stage=stage) if previous and not tick else ""
        steps.append(f'Open {_CHOOSE.format(stage=stage)}{box} and click "OK".{warning}')
        previous = [] if tick else previous
    opened = f"When the page shows {stage}, and only then, open" if steps else "Open"
    archive = f'open {_CHOOSE.format(stage=ARCHIVED)} and click "OK".'
    return steps + [f"{opened} {_page(facts, old)}, {archive}" for old in [*previous, *leaving]]


def _is_missing(facts: Facts, part: str) -> bool:
    return any(item.partition(" ")[0] == part for item in facts.outcome.missing)


def _serving(facts: Facts, versions: Iterable[Version]) -> list[Version]:
    """The versions among these that are in production now, with their current stage and aliases."""
    live = {(version.model, version.number): version for version in facts.outcome.production}
    return [live[v.model, v.number] for v in versions if (v.model, v.number) in live]


def _way_in(facts: Facts, code: Callable[[str], str]) -> list[str]:
    """How to reach the UI: by the configured tunnel, by one for the address or, without a server, by starting one."""
    if facts.tunnel:
        return [f"Open the tunnel: {code(printable(redact(facts.tunnel)))}"]
    scheme = urlsplit(facts.uri).scheme
    if scheme not in HTTP_SCHEMES and not facts.ui_url:
        allow = "MLFLOW_ALLOW_FILE_STORE=true " if scheme in ("", "file") else ""
        return [
            f"Start the UI: {code(f'{allow}mlflow ui --backend-store-uri {argument(redact(facts.uri))}')}"
        ]
    base = _base(facts)
    address = urlsplit(base)
    port = address.port or _DEFAULT_PORTS[address.scheme]
    near = port if port >= _FIRST_FREE_PORT else port + 8000
    named = address.hostname or facts.host
    host = facts.host if named in _LOCAL_HOSTS else named
    tunnel = code(f"ssh -L {near}:localhost:{port} USER@{argument(host)}")
    instead = f"{address.scheme}://localhost:{near}"
    return [
        f"If {base} does not open in your browser, open a tunnel: {tunnel}"
        + (f"; then write {instead} instead of it below" if instead != base else "")
    ]


def _greeting(facts: Facts) -> list[str]:
    if _at_least(facts, _NO_GREETING_SINCE):
        return []
    return [f'If a dialog "{_GREETING}" opens, answer it with "Try it now".']


def _base(facts: Facts) -> str:
    """The server's address for a browser, without credentials: browsers ask for them, and they must not be shown."""
    parts = urlsplit(facts.ui_url or facts.uri)
    if parts.scheme not in HTTP_SCHEMES:
        return "http://localhost:5000"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")


def _page(facts: Facts, version: Version) -> str:
    return f"{_base(facts)}/#/models/{quote(version.model, safe='')}/versions/{version.number}"


def _check(facts: Facts) -> str:
    """The command that shows the result, with an address that works wherever the browser's does."""
    over_http = facts.ui_url or urlsplit(facts.uri).scheme in HTTP_SCHEMES
    uri = _base(facts) if over_http else redact(facts.uri)
    names = dict.fromkeys(version.model for version in (facts.plan.candidate, *facts.plan.others))
    models = " ".join(f"--models {argument(name)}" for name in names)
    return f"jenkins-mlflow list {models} --tracking-uri {argument(uri)}{target_options(facts)}"


def target_options(facts: Facts) -> str:
    """The options that name the stage and the alias, for a machine without the config; empty for the defaults."""
    target = facts.plan.target
    if (target.stage, target.alias) == (PRODUCTION, DEFAULT_ALIASES[PRODUCTION]):
        return ""
    return f" --stage {target.stage or 'null'} --alias {argument(target.alias or 'null')}"


def _at_least(facts: Facts, version: tuple[int, int]) -> bool:
    found = re.match(r"(\d+)\.(\d+)", facts.server_version or "")
    return found is not None and (int(found[1]), int(found[2])) >= version
