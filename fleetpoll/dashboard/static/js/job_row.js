/** One row of the table of jobs. */

import { badge, h, mark, rebadge, say } from "./dom.js";
import { ago, clock, full, NONE, span } from "./format.js";
import { jobLink } from "./route.js";

export function makeRow(job) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { class: "name", href: jobLink(job.job_id) }), h("span", { class: "muted id mono" }, job.job_id)),
    h("td", {}, badge(job.status)),
    h("td", { class: "wide queue" }),
    h("td", { class: "wide definition" }),
    h("td", { class: "wide number attempt" }),
    h("td", { class: "wide number" }, h("time", { class: "started" })),
    h("td", { class: "wide number ran" }),
    h("td", { class: "number" }, h("time", { class: "changed" })),
  );
}

export function fillRow(row, job, now) {
  const put = (name, text) => say(row.querySelector(`.${name}`), text);
  rebadge(row.querySelector(".badge"), job.status);
  mark(row.querySelector(".badge"), "title", job.reason || job.status_reason || null);
  put("name", job.job_name || "(no name yet)");
  put("queue", short(job.job_queue));
  put("definition", short(job.job_definition));
  mark(row.querySelector(".queue"), "title", job.job_queue || null);
  mark(row.querySelector(".definition"), "title", job.job_definition || null);
  put("attempt", job.attempt || NONE);
  put("started", clock(job.started_at));
  put("ran", job.started_at ? span((job.stopped_at ?? now) - job.started_at) : NONE);
  put("changed", ago(job.changed_at ?? job.tracked_at, now));
  mark(row.querySelector(".changed"), "title", full(job.changed_at ?? job.tracked_at));
}

/** The name in an ARN. */
export const short = (name) => (name ? name.slice(name.lastIndexOf("/") + 1) : NONE);
