/** Where we are: `#/jobs?status=FAILED&page=2`. All of it can be shared, and the back button goes through it. */

export const VIEWS = ["overview", "jobs", "workers", "events", "controls", "job"];

/** @returns {{view: string, id: string, query: URLSearchParams}} */
export function parse(hash) {
  const [path, query] = split(hash.replace(/^#\/?/, ""), "?");
  const [name, rest] = split(path, "/");
  const view = VIEWS.includes(name) ? name : "overview";
  return { view, id: view === "job" ? decoded(rest) : "", query: new URLSearchParams(query) };
}

function split(text, at) {
  const place = text.indexOf(at);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The hash of a view with these parameters; empty ones are left out. */
export function hash(view, parameters = {}, id = "") {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  const text = query.toString();
  const path = view === "overview" ? "" : view + (id ? `/${encodeURIComponent(id)}` : "");
  return `#/${path}${text ? `?${text}` : ""}`;
}

const kept = { fleet: "" };

/** The fleet goes into every link from now on ('' for the only one). */
export function keepFleet(name) {
  kept.fleet = name;
}

/** A link that keeps the fleet. */
export const link = (view, parameters = {}, id = "") => hash(view, { ...parameters, fleet: kept.fleet }, id);

/** The link to a job. */
export const jobLink = (id) => link("job", {}, id);

/** Go somewhere; with `replace`, without a new step for the back button. */
export function go(target, { replace = false } = {}) {
  if (target === location.hash) return;
  if (!replace) {
    location.hash = target;
    return;
  }
  history.replaceState(null, "", target);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
