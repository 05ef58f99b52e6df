/** The figures at a glance. */

import { byId, h, mark, reconcile, say, svg } from "./dom.js";
import { int, num, percent, plural, span, NONE } from "./format.js";
import { backlog_s } from "./health.js";
import { link } from "./route.js";
import { counted, STATUSES } from "./statuses.js";

const RECENT_S = 300;
const SPARK = { width: 120, height: 28 };

/** Fill the tiles from a status and from what was lately. */
export function showTiles(status, history) {
  const { rate, lag } = status;
  tile("live", int(status.live), `live of ${int(status.tracked)} tracked`);
  tile("granted", num(rate.granted), `of ${num(rate.configured)} calls/s${rate.paused ? ", paused" : rate.pinned !== null ? ", pinned" : ""}`);
  throttledTile(status, history);
  fillTile(status, history);
  tile("lag", span(lag.p50), lag.p50 === null ? "no ends seen yet" : `median; p99 ${span(lag.p99)}`);
  workersTile(status);
  dueTile(status);
  bar(status.jobs);
  sparks(history);
}

function tile(name, value, note, level = null) {
  const element = byId(`tile-${name}`);
  say(element.querySelector(".value"), value);
  say(element.querySelector(".under"), note);
  mark(element, "data-level", level);
}

function throttledTile({ calls }, history) {
  const recent = history.share("throttled", "calls", RECENT_S);
  const share = recent ?? (calls.total ? calls.throttled / calls.total : null);
  const level = share > 0.05 ? "warn" : null;
  tile("throttled", percent(share), recent === null ? "of all calls" : `in 5 min; ${int(calls.throttled)} ever`, level);
}

function fillTile({ fill }, history) {
  const recent = history.share("looks", "calls", RECENT_S);
  const value = recent ?? fill;
  tile("fill", value === null ? NONE : num(value), value === null ? "no calls yet" : "ids a call, of 100");
}

function workersTile({ workers, silent = [], live }) {
  const hosts = new Set(workers.map((beat) => beat.host)).size;
  const note = silent.length ? `alive; ${int(silent.length)} silent` : workers.length ? `on ${plural(hosts, "host")}` : "none alive";
  const level = !workers.length && live ? "bad" : silent.length ? "warn" : null;
  tile("workers", int(workers.length), note, level);
}

function dueTile(status) {
  const behind = backlog_s(status);
  const note = status.due === null ? "not known: Redis forbids to look" : !status.due ? "nothing waits" : behind === null ? "waiting for a call" : `${span(behind)} of allowance`;
  tile("due", int(status.due), note, behind > 60 ? "warn" : null);
}

/** Jobs by status: one bar, and a link for each. */
function bar(jobs) {
  const found = counted(jobs);
  const total = found.reduce((sum, [, count]) => sum + count, 0);
  const key = ([status]) => status;
  reconcile(byId("status-bar"), found, key, segment, (part, [, count]) => {
    part.style.flexGrow = String(Math.max(count / total, 0.004));
  });
  reconcile(byId("status-counts"), found, key, countLink, (item, [status, count]) => {
    say(item.querySelector("b"), int(count));
    mark(item.firstChild, "href", link("jobs", { status }));
  });
  byId("status-none").hidden = found.length > 0;
}

const segment = ([status]) => h("span", { class: "segment", "data-status": status });

function countLink([status]) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  return h("li", {}, h("a", { class: "badge", "data-status": status, title: STATUSES[status] }, dot, status, " ", h("b")));
}

function sparks(history) {
  const moment = (history.end ?? 0) - 900;
  const columns = { live: "live", granted: "granted", throttled: "throttled", lag: "lag_p50", workers: "workers" };
  for (const [name, column] of Object.entries(columns)) spark(byId(`tile-${name}`), history.since(column, moment));
  const calls = history.since("calls", moment);
  spark(byId("tile-fill"), history.since("looks", moment).map((looks, n) => (calls[n] ? looks / calls[n] : 0)));
}

/** A line without axes: only how it went. */
function spark(element, values) {
  const frame = element.querySelector(".spark");
  const line = frame.firstChild || frame.appendChild(svg("polyline", { fill: "none", "vector-effect": "non-scaling-stroke" }));
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  const x = (n) => ((n / Math.max(1, values.length - 1)) * SPARK.width).toFixed(1);
  const y = (value) => (SPARK.height - 2 - (most ? value / most : 0) * (SPARK.height - 4)).toFixed(1);
  mark(line, "points", values.length > 1 ? values.map((value, n) => `${x(n)},${y(value)}`).join(" ") : "");
}
