#!/usr/bin/env python3
"""Mutation tests of the pure plans: mutates each line, and counts the mutants that no test notices.

usage: mutants.py [PLAN...]      a plan is a file of the package, such as selection/plan.py; default: all

mutmut requires the package in `src/`, so it works on a copy in build/mutants.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "mutants"
PACKAGE = ROOT / "resources" / "jenkins_mlflow"
# Each plan with the tests in tests/unit that must notice a change in it.
PLANS = {
    "selection/plan.py": ["selection/test_selection.py"],
    "selection/candidates.py": ["selection/test_selection.py", "selection/test_gates_report.py"],
    "selection/challenge.py": ["selection/test_selection.py"],
    "cleanup/policy.py": ["cleanup/test_cleanup_plan.py"],
    "cleanup/protection.py": ["cleanup/test_cleanup_plan.py", "cleanup/test_protection.py"],
    "cleanup/plan.py": ["cleanup/test_cleanup_plan.py", "cleanup/test_cleanup_output.py"],
    "promotion/plan.py": ["promotion/test_promotion_plan.py", "promotion/test_changes.py"],
    "promotion/changes.py": ["promotion/test_changes.py", "promotion/test_promotion_plan.py"],
    "promotion/rollback.py": ["promotion/test_rollback_plan.py"],
    "promotion/decision.py": ["promotion/test_intent.py"],
    "training/marks.py": ["training/test_marks.py"],
    "training/self_promotion.py": ["training/test_self_promotion.py", "training/test_put_back_promises.py"],
}
SETTINGS = """[tool.mutmut]
source_paths = ["src"]
only_mutate = {plans}
also_copy = ["docs"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = {tests}

[tool.pytest.ini_options]
pythonpath = ["tests"]
addopts = ["--import-mode=importlib", "-p", "no:randomly"]
filterwarnings = ["ignore"]
"""
# Random tests need few examples to notice a broken line, and the same ones for each mutant.
FEW = """from hypothesis import settings

settings.register_profile("mutants", max_examples=30, derandomize=True, deadline=None, database=None)
settings.load_profile("mutants")
"""


def prepare(plans: list[str]) -> None:
    """Prepare the copy in the layout that mutmut requires."""
    # mutmut compares modification times: a file of an earlier run would not be updated.
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for source, target in (
        (PACKAGE, WORK / "src" / PACKAGE.name),
        (ROOT / "tests" / "support", WORK / "tests" / "support"),
        (ROOT / "docs", WORK / "docs"),  # a test reads its examples
    ):
        shutil.copytree(source, target, ignore=ignored)
    shutil.copy(ROOT / "tests" / "builders.py", WORK / "tests")
    tests = sorted({test for plan in plans for test in PLANS[plan]})
    for test in tests:
        (WORK / "tests" / "unit" / test).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / "unit" / test, WORK / "tests" / "unit" / test)
    conftest = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    (WORK / "tests" / "conftest.py").write_text(f"{conftest}\n\n{FEW}", encoding="utf-8")
    settings = SETTINGS.format(
        plans=json.dumps([f"src/jenkins_mlflow/{plan}" for plan in plans]),
        tests=json.dumps([f"tests/unit/{test}" for test in tests]),
    )
    (WORK / "pyproject.toml").write_text(settings, encoding="utf-8")


def main() -> None:
    """Run mutmut, then print the figures and the survivors."""
    plans = sys.argv[1:] or list(PLANS)
    if unknown := [plan for plan in plans if plan not in PLANS]:
        sys.exit(f"no such plan: {', '.join(unknown)}; known: {', '.join(PLANS)}")
    prepare(plans)
    mutmut = [sys.executable, "-m", "mutmut"]
    subprocess.run([*mutmut, "run", "--max-children", "2"], cwd=WORK, check=True)
    subprocess.run([*mutmut, "export-cicd-stats"], cwd=WORK, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*mutmut, "results"], cwd=WORK, check=True)
    counts = json.loads((WORK / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    killed = counts["killed"] + counts["timeout"]
    print(f"{killed} of {counts['total']} mutants were noticed")
    print(f"to look at one: cd {WORK.relative_to(ROOT)} && ../../.venv/bin/mutmut show NAME")


if __name__ == "__main__":
    main()
