"""The board in a real browser: an alert appears by itself, a person takes it, and everybody sees who has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from collector.config import SpoolSettings
from collector.health.counters import Counters
from collector.historian import Historian
from collector.spool.frames import Action, Control, FrameKind
from collector.spool.spool import Spool
from dashboards.live.app import board_app
from dashboards.live.server import RunningBoard, serve
from detectors.alerts import State
from tests.dashboards.live_plant import GREEN, LivePlant, a_morning, ns, shortage
from tests.plant.browser import PHONE, chromium

pytestmark = pytest.mark.plant
MORNING_MIN = 100


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[LivePlant]:
    plant = LivePlant(tmp_path / "spool.sqlite")
    a_morning(plant, MORNING_MIN)
    yield plant
    plant.close()


@pytest.fixture
def board(plant: LivePlant) -> Iterator[RunningBoard]:
    with serve(board_app(plant.path, title="Teaching factory", timezone="Europe/Berlin")) as board:
        yield board


def wait(browser: WebDriver, until: Callable[[WebDriver], object]) -> None:
    WebDriverWait(browser, 15, poll_frequency=0.05).until(until)


def shows(text: str) -> Callable[[WebDriver], bool]:
    return lambda browser: text in browser.find_element(By.TAG_NAME, "body").text


def green_alert(at_min: float) -> dict[str, object]:
    return {"key": f"shortage:{GREEN.name}", "active_at_ns": ns(at_min), "fired_at_ns": ns(at_min)}


def alert_box(browser: WebDriver, alert_id: str):
    return browser.find_element(By.CSS_SELECTOR, f'[data-key="{alert_id}"]')


def controls(plant: LivePlant) -> list[Control]:
    with Spool.open(plant.path) as spool:
        bodies = [frame.body for frame in spool.log.read(0, 100_000, kinds=(FrameKind.CONTROL,))]
    return [body for body in bodies if isinstance(body, Control)]


def open_board(browser: WebDriver, board: RunningBoard, name: str = "") -> None:
    browser.get(board.address)
    wait(browser, lambda driver: driver.find_element(By.ID, "link").text == "live")
    who = browser.find_element(By.ID, "who")
    who.clear()
    who.send_keys(name or Keys.BACKSPACE)


def test_an_alert_appears_by_itself_and_is_acknowledged_into_the_spool(browser, board, plant):
    open_board(browser, board, "Mei")
    assert "green · fill level" not in browser.find_element(By.ID, "panel-alerts").text
    alert = plant.alert(shortage(MORNING_MIN, GREEN, **green_alert(MORNING_MIN)))
    wait(browser, lambda driver: "green · fill level" in driver.find_element(By.ID, "panel-alerts").text)
    assert browser.title.startswith("(3)")

    alert_box(browser, alert.alert_id).find_element(By.CSS_SELECTOR, "button.ack").click()
    wait(browser, shows("Acknowledgement by Mei is on its way"))
    assert controls(plant) == [Control(Action.ACK, alert.alert_id, "Mei", ns(MORNING_MIN))]

    plant.alert(msgspec.structs.replace(alert, state=State.ACKED, acked_by="Mei", acked_at_ns=ns(MORNING_MIN)))
    wait(browser, shows("Owner: Mei"))
    assert not alert_box(browser, alert.alert_id).find_elements(By.CSS_SELECTOR, "button.ack")


def test_nobody_acknowledges_without_a_name(browser, board, plant):
    open_board(browser, board)
    browser.find_element(By.CSS_SELECTOR, "button.ack").click()
    wait(browser, shows("Write your name at the top first"))
    assert browser.switch_to.active_element.get_attribute("id") == "who"
    assert controls(plant) == []


def test_what_a_person_types_survives_the_next_state(browser, board, plant):
    open_board(browser, board, "Mei")
    summary = next(one for one in browser.find_elements(By.TAG_NAME, "summary") if one.text.startswith("Comment"))
    summary.click()
    field = summary.find_element(By.XPATH, "../form/input[@name='text']")
    field.send_keys("waiting for granu")
    plant.read(GREEN, [(MORNING_MIN + 1, 777.0)])
    plant.tick(MORNING_MIN + 2)
    wait(browser, shows("777 g"))
    field.send_keys("late", Keys.ENTER)
    wait(browser, lambda _: bool(controls(plant)))
    (control,) = controls(plant)
    assert (control.action, control.text) == (Action.COMMENT, "waiting for granulate")


def test_charts_are_drawn_and_live_on_as_one_element(browser, board, plant):
    open_board(browser, board)
    wait(browser, lambda driver: driver.find_elements(By.CSS_SELECTOR, ".chart canvas"))
    canvas = browser.find_element(By.CSS_SELECTOR, ".chart canvas")
    plant.output(MORNING_MIN + 0.5, 901.0)
    plant.tick(MORNING_MIN + 1)
    wait(browser, shows("901"))
    assert canvas == browser.find_element(By.CSS_SELECTOR, ".chart canvas")


def test_the_charts_look_back_a_day_and_come_back_to_live(browser, board, plant):
    historian = Historian(SpoolSettings(), Counters())
    while historian.step(plant.spool):
        pass
    open_board(browser, board)
    browser.get_log("performance")
    browser.find_element(By.XPATH, "//button[text()='24 h']").click()
    wait(browser, lambda driver: any("/history?series=" in entry["message"] for entry in driver.get_log("performance")))
    assert not browser.find_element(By.CSS_SELECTOR, ".states").is_displayed(), "the strip tells of the live window"
    assert browser.find_element(By.CSS_SELECTOR, ".chart canvas").is_displayed()
    browser.find_element(By.XPATH, "//button[text()='live']").click()
    wait(browser, lambda driver: driver.find_element(By.CSS_SELECTOR, ".states").is_displayed())
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_lost_board_says_that_it_is_not_live(browser, plant):
    with serve(board_app(plant.path, title="Short")) as board:
        open_board(browser, board)
    wait(browser, lambda driver: "not live" in driver.find_element(By.ID, "link").text)


def test_nothing_is_asked_from_elsewhere_and_nothing_goes_wrong(browser, board):
    browser.get_log("browser")
    browser.get_log("performance")
    open_board(browser, board)
    wait(browser, lambda driver: driver.find_elements(By.CSS_SELECTOR, ".chart canvas"))
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert hosts == {f"127.0.0.1:{board.port}"}
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_hostile_names_are_text_in_the_browser_too(browser, board, plant):
    open_board(browser, board)
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    plant.alert(shortage(MORNING_MIN, key=evil, subject=evil, consequence=evil, evidence={evil: evil}))
    wait(browser, shows("<script>document.title"))
    assert "owned" not in browser.title
    assert not browser.find_elements(By.CSS_SELECTOR, "main img, main script")


def test_it_fits_a_phone(browser, board):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    open_board(browser, board)
    wide = "return [document.documentElement.scrollWidth, window.innerWidth]"
    scroll, window = browser.execute_script(wide)
    first = browser.find_elements(By.CSS_SELECTOR, "main > section")[0]
    assert (scroll <= window, first.get_attribute("id")) == (True, "panel-alerts")
    wide_screen = {"width": 1400, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wide_screen)


def test_every_control_has_a_name_and_can_be_reached_by_keyboard(browser, board):
    open_board(browser, board)
    controls_ = browser.find_elements(By.CSS_SELECTOR, "button, input, summary")
    assert all(one.accessible_name for one in controls_ if one.is_displayed())
    browser.find_element(By.ID, "who").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Acknowledge"
