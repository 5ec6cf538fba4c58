// Opens Grafana in somebody's name: asks the board for the address, which carries a token.

const said = document.getElementById("said");

document.getElementById("open").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/grafana/open", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ who: document.getElementById("who").value }),
  });
  const told = await answer.json();
  if (answer.ok) location.assign(told.url);
  said.textContent = told.error ?? "";
  said.hidden = answer.ok;
});
