"""These tests need Chromium and its driver: where they are missing they are installed, once, before the first test."""

from __future__ import annotations

import subprocess

import pytest
from support.environments import ROOT


def pytest_sessionstart(session: pytest.Session) -> None:
    """Pytest asks only if this folder is among those to run; the processes of xdist find what the first installed."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    script = [str(ROOT / "scripts" / "ensure-chromium.sh")]
    with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        subprocess.run(script, check=False)  # without it each test of a page says what is missing
