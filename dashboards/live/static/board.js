// Live: takes the parts that changed from /events and swaps them in. The first parts are in the page itself.

import { listen } from "./actions.js";
import { draw } from "./charts.js";
import { morph } from "./morph.js";
import { listenPast, pastColumns } from "./past.js";

const SILENT_AFTER_MS = 25000; // two beats and some: then what is shown may be old
const timezone = document.documentElement.dataset.timezone;
const link = document.getElementById("link");
const title = document.title;
const columns = Object.fromEntries(
  Object.entries(JSON.parse(document.getElementById("charts").textContent)),
);
let heard = Date.now();

function take({ parts, gone }) {
  for (const name of gone) delete columns[name];
  for (const [name, text] of Object.entries(parts)) {
    if (name.startsWith("chart:")) columns[name] = JSON.parse(text);
    else show(name, text);
  }
  redraw();
  count();
}

function redraw() {
  draw(pastColumns() ?? columns, timezone);
}

function show(id, markup) {
  const place = document.getElementById(id);
  if (!place) return location.reload(); // a newer board with other panels
  const wanted = document.createElement("template");
  wanted.innerHTML = markup;
  if (place.firstElementChild) morph(place.firstElementChild, wanted.content.firstElementChild);
  else place.append(wanted.content);
}

function count() {
  const open = Number(document.querySelector("[data-open]")?.dataset.open ?? 0);
  document.title = open ? `(${open}) ${title}` : title;
}

function tell() {
  const silent = Date.now() - heard > SILENT_AFTER_MS;
  const text = silent ? "not live: no word from the board" : "live";
  if (link.textContent !== text) link.textContent = text;
  link.classList.toggle("lost", silent);
}

function follow() {
  const events = new EventSource("/events");
  const alive = () => {
    heard = Date.now();
    tell();
  };
  events.addEventListener("parts", (event) => {
    alive();
    take(JSON.parse(event.data));
  });
  events.addEventListener("beat", alive);
  events.addEventListener("error", () => {
    heard = 0;
    tell();
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
}

listen();
listenPast(redraw);
redraw();
count();
follow();
setInterval(tell, 5000);
