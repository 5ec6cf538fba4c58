// What a person does: sent as JSON, with a name. The answer shows when the detectors have taken it in.

const who = document.getElementById("who");
const said = document.getElementById("said");

export function listen() {
  who.value = remembered();
  who.addEventListener("input", () => remember(who.value.trim()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button) send(button, button.dataset.action, button.dataset.alert, {});
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-action]");
    if (!form) return;
    event.preventDefault();
    const body = { text: form.elements.text.value };
    if (form.elements.minutes) body.minutes = Number(form.elements.minutes.value);
    send(form.querySelector("button"), form.dataset.action, form.dataset.alert, body).then((done) => {
      if (!done) return;
      form.reset();
      form.closest("details").open = false;
    });
  });
}

async function send(button, action, alert, body) {
  const name = who.value.trim();
  if (!name) {
    say("Write your name at the top first: an alert is owned by somebody.");
    who.focus();
    return false;
  }
  button.disabled = true;
  try {
    const answer = await fetch(`/alerts/${encodeURIComponent(alert)}/${action}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ who: name, ...body }),
    });
    say(answer.ok ? "" : `Not done: ${(await answer.json()).error}`);
    return answer.ok;
  } catch {
    say("Not done: the board does not answer. Try again when it is live.");
    return false;
  } finally {
    button.disabled = false;
  }
}

function say(sentence) {
  said.textContent = sentence;
  said.hidden = !sentence;
}

function remembered() {
  try {
    return localStorage.getItem("andon.who") ?? "";
  } catch {
    return "";
  }
}

function remember(name) {
  try {
    localStorage.setItem("andon.who", name);
  } catch {
    // a browser that keeps nothing asks again next time
  }
}
