/** What just happened, newest first: bounded, and it can be held still. */

import { badge, byId, h, mark, reconcile, say } from "./dom.js";
import { clock, full, int, span } from "./format.js";
import { jobLink } from "./route.js";
import { ended } from "./statuses.js";

const KEPT = 200;
const SHORT = 10;

export class Feed {
  constructor() {
    this.events = []; // newest first
    this.paused = false;
    this.missed = 0;
    this.left = 0;
    this.short = false;
    byId("feed-pause").addEventListener("click", () => this.#hold(!this.paused));
  }

  /** Begin with the latest, newest first. */
  load(events) {
    this.events = events.slice(0, KEPT);
    this.left = 0;
    this.#hold(false);
  }

  /** More of them, oldest first; `left` could not be sent. */
  add(events, left = 0) {
    if (this.paused) this.missed += events.length + left;
    this.left += left;
    const known = new Set(this.events.slice(0, KEPT).map((one) => one.id));
    const fresh = events.filter((one) => !known.has(one.id)).reverse();
    this.events = [...fresh, ...this.events].slice(0, KEPT);
    this.draw();
  }

  /** On the overview only the newest are shown. */
  shorten(short) {
    this.short = short;
    this.held = this.paused ? this.held : null;
    this.draw();
  }

  draw() {
    if (!this.paused || !this.held) this.held = this.events;
    const rows = this.held.slice(0, this.short ? SHORT : KEPT);
    reconcile(byId("feed-list"), rows, (one) => one.id, item);
    byId("feed-none").hidden = rows.length > 0;
    say(byId("feed-note"), this.#note());
  }

  #hold(paused) {
    this.paused = paused;
    this.held = paused ? this.events : null;
    this.missed = 0;
    const button = byId("feed-pause");
    mark(button, "aria-pressed", String(paused));
    say(button, paused ? "Go on" : "Hold");
    this.draw();
  }

  #note() {
    if (this.paused) return this.missed ? `held; ${int(this.missed)} more came` : "held";
    return this.left ? `${int(this.left)} more went by too fast to be shown` : "";
  }
}

function item(one) {
  const lag = one.stopped_at && ended(one.to) ? `noticed after ${span(one.detected_at - one.stopped_at)}` : "";
  return h(
    "li",
    {},
    h("time", { class: "muted", title: full(one.detected_at) }, clock(one.detected_at)),
    h("a", { href: jobLink(one.job_id), title: one.job_id }, one.job_name || one.job_id),
    h("span", { class: "change" }, badge(one.from), h("span", { class: "arrow", "aria-label": "to" }, "→"), badge(one.to)),
    h("span", { class: "muted reason", title: one.reason || null }, one.reason || lag),
  );
}
