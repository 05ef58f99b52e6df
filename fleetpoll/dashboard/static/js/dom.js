/** Elements without markup: whatever comes from the fleet is set as text, never parsed. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id; it is part of index.html. */
export const byId = (id) => document.getElementById(id);

/**
 * Make an element: `h("a", {class: "x", href: "#/", onclick: f}, "text", node)`.
 * Functions become listeners; null, undefined and false are left out, as attributes and as children.
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set an element's text, if it is another one: what did not change is not laid out again. */
export function say(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Set or remove (null, false) an attribute, if that changes anything. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** Show or hide an element. */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/**
 * Make the children of `parent` those of `items`, in their order. Elements are kept by key, so that focus, selection and
 * the pointer stay where they are while data changes.
 */
export function reconcile(parent, items, keyOf, create, update = () => {}) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = known.get(key);
    if (child) known.delete(key);
    else {
      child = create(item);
      child.dataset.key = key;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of known.values()) gone.remove();
}

/** Call `work` once, `wait_ms` after the last of many calls. */
export function debounced(work, wait_ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait_ms);
  };
}

/** Call `work` at once, and then at most every `every_ms`, the last call never being lost. */
export function throttled(work, every_ms) {
  let timer = 0;
  let last = -Infinity;
  const run = () => {
    timer = 0;
    last = performance.now();
    work();
  };
  return () => {
    if (timer) return;
    timer = setTimeout(run, Math.max(0, last + every_ms - performance.now()));
  };
}

/** Tell a screen reader, politely. */
export function announce(text) {
  say(byId("announcer"), text);
}

/** A dot in the colour of a status, and its name. */
export function badge(status) {
  return h("span", { class: "badge", "data-status": status }, h("span", { class: "dot", "aria-hidden": "true" }), status);
}

/** Turn a badge into that of another status. */
export function rebadge(element, status) {
  if (element.dataset.status === status) return;
  element.dataset.status = status;
  element.lastChild.textContent = status;
}

/** A button that copies a text. */
export function copyButton(text, what) {
  const button = h("button", { type: "button", class: "quiet small", "aria-label": `Copy ${what}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    announce(`${what}: ${button.textContent}`);
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return button;
}

/** The href of a link given by the server: https only, null for all else. */
export function outside(url) {
  return typeof url === "string" && url.startsWith("https://") ? url : null;
}
