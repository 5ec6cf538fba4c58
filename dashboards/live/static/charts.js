// Output over time inside its band, one uPlot per line. The strip below shares its window and its margins.

const AXIS = 44;
const RIGHT = 18;
const LONG_S = 2 * 86400; // windows beyond it are told in days
const plots = new Map(); // key -> {plot, box, window}

export function draw(columns, timezone) {
  for (const box of document.querySelectorAll("[data-chart]")) {
    const data = columns[`chart:${box.dataset.chart}`];
    if (data) drawOne(box, data, timezone);
  }
  for (const [key, { plot, box }] of plots) {
    if (box.isConnected) continue;
    plot.destroy();
    plots.delete(key);
  }
}

function drawOne(box, data, timezone) {
  const key = box.dataset.chart;
  let drawn = plots.get(key);
  if (drawn && drawn.box !== box) {
    drawn.plot.destroy();
    drawn = null;
  }
  if (!drawn) {
    drawn = { box, window: data.window_s, plot: null };
    drawn.plot = new uPlot(options(box, timezone, drawn), [[], [], [], [], []], box);
    plots.set(key, drawn);
    new ResizeObserver(() => drawn.plot.setSize(size(box))).observe(box);
  }
  drawn.window = data.window_s;
  drawn.plot.setData([data.at_s, data.low, data.high, data.mid, data.value]);
}

function size(box) {
  return { width: Math.max(160, box.clientWidth), height: Math.max(60, box.clientHeight) };
}

function options(box, timezone, drawn) {
  const ink = colour("--ink-soft");
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: timezone, hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: timezone, weekday: "short", day: "numeric" });
  const words = () => (drawn.window[1] - drawn.window[0] > LONG_S ? day : clock);
  const axis = { stroke: ink, font: "11px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: colour("--rule"), width: 1 } };
  return {
    ...size(box),
    padding: [6, RIGHT, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    tzDate: (at_s) => uPlot.tzDate(new Date(at_s * 1000), timezone),
    scales: {
      x: { range: (u, from, to) => (drawn.window.length === 2 ? drawn.window : [from, to]) },
      y: { range: (u, low, high) => [0, Math.max(1, (high || 0) * 1.1)] },
    },
    axes: [
      { ...axis, size: 22, gap: 5, space: 60, values: (u, at) => at.map((s) => words().format(new Date(s * 1000))) },
      { ...axis, size: AXIS, gap: 4, space: 26 },
    ],
    series: [
      {},
      { label: "low", stroke: "transparent", points: { show: false } },
      { label: "high", stroke: "transparent", points: { show: false } },
      { label: "expected", stroke: colour("--band-mid"), width: 1, dash: [4, 4], points: { show: false } },
      { label: "output", stroke: colour("--ink"), width: 1.75, points: { show: false } },
    ],
    bands: [{ series: [2, 1], fill: colour("--band") }],
  };
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
