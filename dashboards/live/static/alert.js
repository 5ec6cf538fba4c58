// One alert, live: the same actions as on the board, and what the detectors made of them.

import { listen } from "./actions.js";
import { morph } from "./morph.js";

const place = document.querySelector("[data-only]");

function take(event) {
  const markup = JSON.parse(event.data).parts["part-alerts"];
  if (markup === undefined) return;
  const all = document.createElement("template");
  all.innerHTML = markup;
  const now = all.content.querySelector(`ol.alerts > [data-key="${CSS.escape(place.dataset.only)}"]`);
  const shown = place.querySelector("li");
  if (now && shown) morph(shown, now);
  else if (!now && shown) location.reload(); // the page says what became of it
}

listen();
new EventSource("/events").addEventListener("parts", take);
