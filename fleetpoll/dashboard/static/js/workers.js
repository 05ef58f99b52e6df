/** The workers: who is there, what each is doing, and who is silent. */

import { byId, h, mark, reconcile, say } from "./dom.js";
import { ago, full, int, plural, span } from "./format.js";

const DOING = { "": "–" };

/** Show the workers of a status; `now` is the server's time. */
export function showWorkers(status, now) {
  const silent = (status.silent || []).map((beat) => ({ ...beat, silent: true }));
  const all = [...silent, ...status.workers];
  reconcile(byId("worker-rows"), all, (beat) => beat.id, row, (element, beat) => fill(element, beat, now));
  byId("workers-none").hidden = all.length > 0;
  byId("worker-table").hidden = all.length === 0;
  say(byId("worker-count"), all.length ? `${plural(status.workers.length, "alive").replace(/s$/, "")}${silent.length ? `, ${int(silent.length)} silent` : ""}` : "");
}

function row() {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "host" }), " ", h("span", { class: "muted pid" })),
    h("td", {}, h("span", { class: "state" })),
    h("td", { class: "number" }, h("time", { class: "beat" })),
    h("td", { class: "number wide" }, h("span", { class: "calls" })),
    h("td", { class: "number wide" }, h("time", { class: "up" })),
    h("td", { class: "wide muted" }, h("span", { class: "version" })),
  );
}

function fill(element, beat, now) {
  const put = (name, text) => say(element.querySelector(`.${name}`), text);
  put("host", beat.host);
  put("pid", `#${beat.pid}`);
  put("state", beat.silent ? "Silent" : DOING[beat.doing ?? ""] || beat.doing);
  put("beat", ago(beat.last_beat, now));
  put("calls", int(beat.calls));
  put("up", beat.started ? span(now - beat.started) : "–");
  put("version", beat.version || "–");
  mark(element.querySelector(".beat"), "title", full(beat.last_beat));
  mark(element.querySelector(".up"), "title", full(beat.started));
  mark(element, "data-silent", beat.silent ? "yes" : null);
}
