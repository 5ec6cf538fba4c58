"""The running demo as a person meets it: its board opens, an alert comes, Ack is pressed, the spool knows who and when.

With ANDON_KEEP_SCREENSHOT=1 the board as it then stands becomes deploy/images/board.png, the README's picture.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from collector import schema
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from tests.plant.browser import chromium

pytestmark = pytest.mark.plant

PICTURE = Path(__file__).parents[2] / "deploy" / "images" / "board.png"


def address_of(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    said = demo.stdout.readline()
    found = re.search(r"http://\S+", said)
    assert found, said
    return found[0]


def wait(browser: WebDriver, until: Callable[[WebDriver], object], wait_s: float = 60.0) -> None:
    WebDriverWait(browser, wait_s, poll_frequency=0.1).until(until)


def acknowledged(folder: Path) -> list[Alert]:
    (spool_path,) = folder.glob("andon-demo-*/spool.sqlite")
    with Spool.open(spool_path) as spool:
        alerts = [msgspec.convert(record.detail, Alert) for record in spool.log.latest(schema.ALERT_EVENT.name)]
    return [alert for alert in alerts if alert.acked_by]


def test_the_demos_first_shortage_is_seen_and_acknowledged(tmp_path: Path) -> None:
    began = time.monotonic()
    command = [sys.executable, "-m", "deploy.cli", "demo", "--speed", "40", "--board-port", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        with chromium() as browser:
            browser.get(address_of(demo))
            wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, '[data-key^="shortage:"] [data-action="ack"]'))
            assert time.monotonic() - began < 60.0
            browser.find_element(By.ID, "who").send_keys("Kim")
            if os.environ.get("ANDON_KEEP_SCREENSHOT") == "1":
                time.sleep(30.0)  # until lines and stocks have some past to show
                browser.save_screenshot(str(tmp_path / "board.png"))
                shutil.copy(tmp_path / "board.png", PICTURE)
            browser.find_element(By.CSS_SELECTOR, '[data-key^="shortage:"] [data-action="ack"]').click()
            wait(browser, lambda _browser: acknowledged(tmp_path))
        (alert, *_) = acknowledged(tmp_path)
        assert (alert.kind, alert.acked_by) == ("shortage", "Kim")
        assert alert.acked_at_ns >= alert.fired_at_ns > 0
        assert alert.state in (State.ACKED, State.NORMAL)
        assert alert.comments[0].who == "Kim"
    finally:
        demo.send_signal(signal.SIGINT)
        _, said = demo.communicate(timeout=30)
    assert demo.returncode == 0
    assert "Traceback" not in said
    assert "ERROR" not in said
    assert not list(tmp_path.glob("andon-demo-*"))  # the demo leaves nothing behind


def test_the_readme_shows_a_picture_that_is_there() -> None:
    assert PICTURE.read_bytes().startswith(b"\x89PNG")
