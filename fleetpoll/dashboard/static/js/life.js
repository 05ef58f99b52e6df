/** A job's life to scale: how long it waited, and how long it ran. */

import { h } from "./dom.js";
import { span } from "./format.js";

/** The parts of the bar, and what they are in words; empty while AWS has told no times. */
export function lifeBar(job, now) {
  if (!job.created_at) return [];
  const end = job.stopped_at ?? now;
  const waited = (job.started_at ?? end) - job.created_at;
  const ran = job.started_at ? end - job.started_at : 0;
  const parts = [part("RUNNABLE", waited), part(job.stopped_at ? job.status : "RUNNING", ran)];
  const waiting = job.attempt > 1 && job.started_at ? `${span(waited)} until attempt ${job.attempt} started` : `Waited ${span(waited)}`;
  const words = [waiting, job.started_at ? `${job.stopped_at ? "ran" : "runs for"} ${span(ran)}` : ""];
  return [h("div", { class: "life-bar", "aria-hidden": "true" }, parts), h("p", { class: "muted" }, words.filter(Boolean).join(", "))];
}

function part(status, seconds) {
  const element = h("span", { class: "segment", "data-status": status });
  element.style.flexGrow = String(Math.max(0, seconds));
  return element;
}
