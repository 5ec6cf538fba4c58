// Makes one element like another while keeping what a person is doing: focus, typed text, open folds, drawn charts.

export function morph(from, to) {
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  copyAttributes(from, to);
  if (!from.hasAttribute("data-keep")) morphChildren(from, to);
}

function morphChildren(from, to) {
  const keyed = new Map();
  for (const child of from.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
  let at = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const key = wanted.dataset?.key;
    const known = key ? keyed.get(key) : at && !at.dataset?.key && alike(at, wanted) ? at : null;
    if (!known || !alike(known, wanted)) {
      from.insertBefore(wanted, at);
      continue;
    }
    if (known === at) at = at.nextSibling;
    else from.insertBefore(known, at);
    morph(known, wanted);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName;
}

function copyAttributes(from, to) {
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  for (const { name } of [...from.attributes]) {
    const theirs = name === "open" && from.nodeName === "DETAILS";
    const drawn = from.hasAttribute("data-keep") && (name === "class" || name === "style");
    if (!to.hasAttribute(name) && !theirs && !drawn) from.removeAttribute(name);
  }
}
