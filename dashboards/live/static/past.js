// How far back the charts look: live, or the last day or week as history tells it, asked again every minute.

const EVERY_MS = 60000;
let columns = null; // what to draw instead of the live columns, null while live
let asked = 0;

export function pastColumns() {
  return columns;
}

export function listenPast(redraw) {
  const show = () => look(redraw);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-span]");
    if (!button) return;
    for (const one of document.querySelectorAll("button[data-span]")) {
      one.setAttribute("aria-pressed", String(one === button));
    }
    document.body.dataset.span = button.dataset.span;
    show();
  });
  setInterval(() => document.body.dataset.span && show(), EVERY_MS);
}

async function look(redraw) {
  const span = document.body.dataset.span;
  const mine = ++asked;
  const found = span ? {} : null;
  for (const box of span ? document.querySelectorAll("[data-chart][data-series]") : []) {
    found[`chart:${box.dataset.chart}`] = await ask(box.dataset.series, span);
  }
  if (mine !== asked) return; // another button was pressed meanwhile
  columns = found;
  redraw();
}

async function ask(series, span) {
  const nothing = { window_s: [], at_s: [], low: [], high: [], mid: [], value: [] };
  try {
    const answer = await fetch(`/history?series=${encodeURIComponent(series)}&span_s=${span}`);
    if (!answer.ok) return nothing;
    const { window_s, at_s, mean, low, high, per_h } = await answer.json();
    const none = at_s.map(() => null);
    if (per_h.length) return { window_s, at_s, low: none, high: none, mid: none, value: per_h };
    return { window_s, at_s, low, high, mid: none, value: mean };
  } catch {
    return nothing; // the header says when the board does not answer
  }
}
