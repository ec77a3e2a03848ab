"""Updates the report's page after every command of a build that has a report folder."""

from __future__ import annotations

import json
from pathlib import Path

from jenkins_mlflow.build import BuildContext
from jenkins_mlflow.commands.evaluation import keep_evaluation
from jenkins_mlflow.commands.history import past
from jenkins_mlflow.commands.session import Session
from jenkins_mlflow.errors import JenkinsMlflowError
from jenkins_mlflow.page.writing import write_page
from jenkins_mlflow.registry.connection import HTTP_SCHEMES, address
from jenkins_mlflow.report import write_report
from jenkins_mlflow.results.base import Document, document as as_document

_SHOWN = ("train", "select", "promote", "rollback", "cleanup")


def keep_page(session: Session, folder: Path, document: Document) -> None:
    """Write index.html and report.md; a failure is only a warning, because the command's own work is done.

    After a promotion or a rollback, the history of its models is added, so that the page can show earlier
    promotions. After a promotion or a selection, the predictions of champion and challenger are added, if
    their runs have any.
    """
    if document["command"] not in _SHOWN:
        return
    beside: list[Document] = []
    names = {str(place["model"]) for place in document.get("production") or ()}
    if document["command"] in ("promote", "rollback") and names:
        try:
            earlier_promotions = {**as_document(past(session, names)), "build": document["build"]}
        except JenkinsMlflowError as error:
            session.warn(f"the report shows no earlier promotions: {error.message}")
        else:
            text = json.dumps(earlier_promotions, ensure_ascii=False, indent=1) + "\n"
            if problem := write_report(folder, "history.json", text):
                session.warn(problem)
            beside.append(earlier_promotions)
    if document["command"] in ("select", "promote") and (found := keep_evaluation(session, folder, document)):
        beside.append(found)
    build = session.build
    for problem in write_page(folder, document, ui_address(session), build.url, build.change, beside):
        session.warn(problem)


def keep_failure_page(build: BuildContext, folder: Path, document: Document) -> list[str]:
    """Write index.html and report.md for a command that failed before it knew its server; return warnings."""
    if document["command"] not in _SHOWN:
        return []
    return write_page(folder, document, "", build.url, build.change)


def ui_address(session: Session) -> str:
    """The address of MLflow's UI; empty if it is not known."""
    if session.config.ui.url:
        return str(session.config.ui.url)
    place = address(session.uri)
    return place if place.split(":", 1)[0] in HTTP_SCHEMES else ""
