"""The report in Chromium under Jenkins' policy: nothing is refused, pictures are shown, axe finds nothing serious.

Pictures of a real run are left in build/pictures; docs/report.md shows some of them.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_selenium_python import Axe
from conftest import MakeServer
from jenkins_mlflow.agent.report import claim
from jenkins_mlflow.page.evaluation import is_picture
from jenkins_mlflow.page.writing import write_page
from jenkins_mlflow.report import MARK
from runner import Zygote
from selenium import webdriver
from selenium.webdriver.common.by import By
from support.browser import PICTURES
from support.chromium import console, evaluated, look, running_chromium
from support.seeding import Spec, client, seed

# What Jenkins sends with archived files (hudson.model.DirectoryBrowserSupport), and the stricter one of older releases.
POLICIES = (
    "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';",
    "sandbox; default-src 'none'; img-src 'self'; style-src 'self';",
)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'|`${7*7}{{7*7}}"


class Handler(SimpleHTTPRequestHandler):
    policy = ""

    def end_headers(self) -> None:
        if self.policy:
            self.send_header("Content-Security-Policy", self.policy)
            self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *args: object) -> None: ...


@contextlib.contextmanager
def served(folder: Path, policy: str) -> Iterator[str]:
    handler = type("WithPolicy", (Handler,), {"policy": policy})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    with running_chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def report(make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real promotion, after three earlier ones."""
    server, folder = make_server(), tmp_path_factory.mktemp("report")
    scores = (0.842, 0.861, 0.874, 0.881, 0.9161, 0.79)
    seed(server.store_uri, {"churn": [Spec(metrics={"roc_auc": value}) for value in scores]})
    mlflow = client(server.url)
    labels, noise = [0, 1] * 60, [number * 37 % 120 / 120 for number in range(120)]
    for number, spread in ((4, 0.9), (5, 0.6)):
        sure = 1 - spread
        table = {
            "label": labels,
            "score": [sure * label + spread * by for label, by in zip(labels, noise, strict=True)],
        }
        mlflow.log_table(
            str(mlflow.get_model_version("churn", str(number)).run_id), table, "predictions.json"
        )
    end = ("--models=churn", f"--tracking-uri={server.url}")
    with Zygote(tmp_path_factory.mktemp("zygote")) as zygote:
        for number in (1, 2, 4):
            assert zygote.run("promote", "--model=churn", f"--version={number}", *end).code == 0
        build = {"BUILD_TAG": "jenkins-demo-1"}
        gates = {"MLOPS__SELECT__GATES": '{"roc_auc": ">= 0.8"}', **build}
        kept = f"--report={folder / 'kept'}"
        assert zygote.run("select", kept, *end, **gates).code == 0
        done = zygote.run("promote", kept, "--approved-by=ann", *end, **gates)
        assert (done.code, done.doc["warnings"]) == (0, []), done.stderr
        assert zygote.run("cleanup", "--dry-run", "--keep-last=1", kept, *end, **build).code == 0
    return folder / "kept"


def test_the_report_of_a_promotion(report: Path) -> None:
    """One page, one style sheet, pictures, and the twin; small, without inline style, script or data: pictures."""
    names = sorted(path.name for path in report.iterdir() if path.suffix not in {".csv", ".json", ".xml"})
    assert names == [
        MARK,
        "attempts.svg",
        "candidates.svg",
        "history.svg",
        "index.html",
        "precision-recall.svg",
        "report.css",
        "report.md",
        "roc.svg",
    ]
    text = (report / "index.html").read_text(encoding="utf-8")
    for forbidden in ("<style", "style=", "<script", "data:", "onload"):
        assert forbidden not in text
    assert "promoted churn version 5 by stage-archive, replacing churn version 4" in text
    assert "0.9161" in text
    assert "roc_auc &gt;= 0.8: FAILED" in text
    twin = (report / "report.md").read_text(encoding="utf-8")
    assert twin.startswith("**promoted churn version 5 by stage-archive, replacing churn version 4; verified")
    assert "| churn v5 | 0.9161 | selected |" in twin


def test_the_next_build_in_the_same_folder_finds_nothing_of_it(report: Path, tmp_path: Path) -> None:
    """Whatever a build has written there, pictures and all, is not archived with another one."""
    folder = Path(shutil.copytree(report, tmp_path / "kept"))
    claim(folder, "jenkins-demo-2")
    assert [path.name for path in folder.iterdir()] == [MARK]


@pytest.mark.parametrize("policy", POLICIES, ids=["today", "older"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_it_is_shown_whole_under_jenkins_policy(
    report: Path, chromium: webdriver.Chrome, policy: str, scheme: str, width: int
) -> None:
    """No violation in the console, every picture shown, nothing wider than the screen."""
    console(chromium)
    with served(report, policy) as url:
        look(chromium, url, width=width, scheme=scheme)
        pictures = chromium.find_elements(By.TAG_NAME, "img")
        assert len(pictures) == 5
        sizes = evaluated(chromium, "JSON.stringify([...document.images].map(i => i.naturalWidth))")
        if sizes is not None:
            assert all(json.loads(sizes)), sizes
        assert all(picture.size["width"] > 100 for picture in pictures)
        colour = chromium.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        assert ("17, 24, 39" in colour) == (scheme == "dark"), "the style sheet was not applied"
        inner = chromium.find_element(By.TAG_NAME, "main").size["width"]
        assert inner <= width
        PICTURES.mkdir(parents=True, exist_ok=True)
        whole = chromium.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (PICTURES / f"report-{width}-{scheme}.png").write_bytes(base64.b64decode(whole["data"]))
    complaints = [text for text in console(chromium) if "favicon" not in text]
    assert not complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(report: Path, chromium: webdriver.Chrome, scheme: str) -> None:
    with served(report, "") as url:
        look(chromium, url, width=1100, scheme=scheme)
        axe = Axe(chromium)
        axe.inject()
        violations = axe.run()["violations"]
    serious = [each["id"] for each in violations if each["impact"] in ("serious", "critical")]
    assert not serious, violations


def test_hostile_names_do_nothing(tmp_path: Path, chromium: webdriver.Chrome) -> None:
    """In names, reasons, messages, addresses and warnings; on the page and in its twin."""
    candidate = {
        "model": HOSTILE,
        "version": HOSTILE,
        "value": 0.5,
        "verdict": HOSTILE,
        "reason": HOSTILE,
        "gates": [{"metric": HOSTILE, "rule": HOSTILE, "passed": False}],
    }
    document = {
        "command": "promote",
        "status": "promoted",
        "message": HOSTILE,
        "model": HOSTILE,
        "version": HOSTILE,
        "error": {"message": HOSTILE, "state": HOSTILE, "next_step": HOSTILE},
        "build": HOSTILE,
        "tracking_uri": "javascript:alert(3)",
        "time": HOSTILE,
        "method": HOSTILE,
        "warnings": [HOSTILE],
        "attempts": [{"method": HOSTILE, "attempt": 1, "outcome": HOSTILE, "seconds": 1.0, "error": HOSTILE}],
        "selection": {"metric": HOSTILE, "candidates": [candidate]},
    }
    assert not write_page(tmp_path, document, "javascript:alert(4)", "javascript:alert(5)")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="javascript' not in text
    assert "49" not in text
    with served(tmp_path, "") as url:  # without any policy: nothing may run
        look(chromium, url, width=1100, scheme="light")
        assert HOSTILE in chromium.find_element(By.TAG_NAME, "h1").text
        assert not chromium.find_elements(By.CSS_SELECTOR, "main script, img[src=x], main img img")
        for picture in ("candidates.svg", "attempts.svg"):
            chromium.get(url.replace("index.html", picture))  # a picture opened by itself runs nothing either
            assert evaluated(chromium, "document.querySelectorAll('script').length") == 0
    twin = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "**``" in twin


@pytest.mark.parametrize("policy", POLICIES, ids=["today", "older"])
def test_pictures_of_a_run_are_shown(tmp_path: Path, chromium: webdriver.Chrome, policy: str) -> None:
    """A picture that a run has logged is a file beside the page, with its words; also one with a hostile name."""
    picture = base64.b64decode(chromium.get_screenshot_as_base64())
    assert is_picture(picture)
    items = []
    for role, source in (("challenger", "test_roc_curve_plot.png"), ("champion", HOSTILE)):
        (tmp_path / f"{role}-roc.png").write_bytes(picture)
        pictures = [{"kind": "roc", "source": source}]
        items.append({"role": role, "model": "m", "version": 1, "pictures": pictures})
    (tmp_path / "evaluation.json").write_text(
        json.dumps({"command": "evaluation", "build": "b", "items": items})
    )
    document = {"command": "select", "status": "selected", "message": "selected m", "build": "b"}
    assert not write_page(tmp_path, document, "")
    console(chromium)
    with served(tmp_path, policy) as url:
        look(chromium, url, width=1100, scheme="dark")
        shown = chromium.find_elements(By.CSS_SELECTOR, "figure img")
        assert len(shown) == 2
        assert all(each.size["width"] > 100 for each in shown)
        captions = [each.text for each in chromium.find_elements(By.TAG_NAME, "figcaption")]
        assert captions == [
            "ROC curve of m v1 (challenger): test_roc_curve_plot.png",
            f"ROC curve of m v1 (champion): {HOSTILE}",
        ]
        PICTURES.mkdir(parents=True, exist_ok=True)
        whole = chromium.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (PICTURES / "report-pictures.png").write_bytes(base64.b64decode(whole["data"]))
    assert not [text for text in console(chromium) if "favicon" not in text]
