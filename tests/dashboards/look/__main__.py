"""`make look`: the boards as Grafana's own React components draw them, from real answers; pictures into deploy/images.

The demo nev_drive is written into a real InfluxDB engine and every query of stat, time series and table panels is asked
there. `look.jsx`, bundled by esbuild with npm @grafana/ui, draws them in a headless Chromium. The kinds for which
Grafana publishes no component (alert list, state timeline, node graph) stay empty and say so.
"""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from selenium import webdriver

from dashboards.render import boards
from tests.plant.browser import chromium
from tests.plant.demo_store import DemoStore, asked, filled
from tests.plant.servers import V2WriteShim, influxdb

HERE = Path(__file__).parent
INSTALLED = Path(__file__).parents[3] / "build" / "look"
PICTURES = Path(__file__).parents[3] / "deploy" / "images"
DRAWN = ("stat", "timeseries", "table")
_PLAYED_S = 108 * 60.0  # nev_drive: a line has dropped, a sensor is stuck
_CHOICE = {"site": "nanjing", "line": ".*", "cluster": ".*"}
_ONE_LINE = "inverter_1"  # where a panel is repeated for each line
_PATIENCE_S = 20.0
_WIDTH = 1400
_PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="look.css">
<style>html, body {{ overflow: hidden !important; }} body {{ margin: 8px; }}
#board {{ position: relative; width: 1380px; }}
.empty {{ display: grid; height: 100%; place-items: center; opacity: 0.6; text-align: center; }}</style>
<div id="board"></div>
<script>
window.LOOK = {look};
const Clock = Date, began = Clock.now();
window.Date = class extends Clock {{
  constructor(...given) {{ given.length ? super(...given) : super(Date.now()); }}
  static now() {{ return window.LOOK.to + Clock.now() - began; }}
}};
</script>
<script src="look.js"></script>
"""


def main() -> int:
    _bundle()
    faults = []
    with tempfile.TemporaryDirectory(prefix="andon-look-") as name:
        folder = Path(name)
        with influxdb(folder) as running, V2WriteShim(running) as shim:
            demo = filled(running, shim, folder, "nev_drive", _PLAYED_S)
            pages = {name: _page(demo, board) for name, board in boards().items()}
    with _served(INSTALLED) as address, chromium() as browser:
        for name, page in pages.items():
            (INSTALLED / f"{name}.html").write_text(page, encoding="utf-8")
            picture = PICTURES / f"grafana_{name}.png"
            faults += [f"{name}: {fault}" for fault in _photograph(browser, f"{address}/{name}.html", picture)]
            print(picture)
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


def _bundle() -> None:
    (INSTALLED / "look.jsx").write_bytes((HERE / "look.jsx").read_bytes())  # its imports are found beside it
    loaders = [f"--loader:.{kind}=empty" for kind in ("ttf", "png", "svg")]
    options = ["--bundle", "--format=iife", "--jsx=automatic", "--minify", "--log-level=error", *loaders]
    production = '--define:process.env.NODE_ENV="production"'
    command = ["node_modules/.bin/esbuild", "look.jsx", "--outfile=look.js", production, *options]
    subprocess.run(command, cwd=INSTALLED, check=True)


def _page(demo: DemoStore, board: dict[str, Any]) -> str:
    """A board with its answers. Times are those of the demo, and so is the browser's clock."""
    panels = [{"name": str(panel["id"]), "panel": panel, "answers": _answers(demo, panel)} for panel in board["panels"]]
    look = {"mode": "dark", "line": _ONE_LINE, "from": demo.from_s * 1000, "to": demo.to_s * 1000, "panels": panels}
    return _PAGE.format(look=json.dumps(look).replace("</", "<\\/"))


def _answers(demo: DemoStore, panel: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What the store says to each query of a panel, times in ms as Grafana has them."""
    if panel["type"] not in DRAWN:
        return []
    last_s = int(panel["timeFrom"].removesuffix("m")) * 60 if "timeFrom" in panel else None
    choice = _CHOICE | ({"line": _ONE_LINE} if "repeat" in panel else {})
    return [_in_ms(asked(demo, target["query"], choice, last_s=last_s)) for target in panel["targets"]]


def _in_ms(answer: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "values": [[row[0] // 1_000_000, *row[1:]] for row in one["values"]]} for one in answer]


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The folder over HTTP on this machine: icons are fetched by address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Icons lie where the package has them, not where a Grafana serves them."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.replace("/public/build/", "/node_modules/@grafana/ui/dist/public/"))

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _photograph(browser: webdriver.Chrome, address: str, picture: Path) -> list[str]:
    """The whole board as a picture; what the page or a component complained of."""
    browser.get(address)
    deadline = time.monotonic() + _PATIENCE_S
    while not browser.execute_script("return window.LOOK.done") and time.monotonic() < deadline:
        time.sleep(0.1)
    height = int(browser.execute_script("return document.getElementById('board').offsetHeight")) + 16
    size = {"width": _WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    time.sleep(0.5)
    picture.write_bytes(browser.get_screenshot_as_png())
    faults: list[str] = browser.execute_script("return window.LOOK.errors")
    return faults if browser.execute_script("return window.LOOK.done") else [*faults, "was not drawn in time"]


if __name__ == "__main__":
    sys.exit(main())
