/** One job: everything that is known of it, and how it came to that. */

import { ApiError, get } from "./api.js";
import { badge, byId, copyButton, h, outside, say, show, throttled } from "./dom.js";
import { ago, clock, full, NONE, span, until } from "./format.js";
import { lifeBar } from "./life.js";
import { ended, STATUSES } from "./statuses.js";

export class Job {
  constructor(now) {
    this.now = now;
    this.id = "";
    this.question = null;
    this.renew = throttled(() => this.#load(), 500);
  }

  /** Show this job. */
  async open(id) {
    if (id !== this.id) this.#blank(id);
    this.id = id;
    await this.#load();
  }

  close() {
    this.question?.abort();
    this.id = "";
  }

  /** Some jobs have changed; this one, perhaps. */
  changed(transitions) {
    if (this.id && transitions.some((one) => one.job_id === this.id)) this.renew();
  }

  /** The name, for the page's title. */
  get name() {
    return this.job?.job_name || this.id;
  }

  #blank(id) {
    this.job = null;
    say(byId("job-name"), "Job");
    byId("job-id").replaceChildren(h("code", {}, id));
    for (const part of ["job-facts", "job-timeline", "job-links", "job-life"]) byId(part).replaceChildren();
    show(byId("job-body"), false);
    this.#note("Looking it up…");
  }

  #note(text) {
    say(byId("job-note"), text);
    show(byId("job-note"), text !== "");
  }

  async #load() {
    if (!this.id) return;
    this.question?.abort();
    const question = new AbortController();
    this.question = question;
    try {
      this.job = await get("job", { id: this.id }, question.signal);
      this.#draw();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      const command = `fleetpoll track ${this.id}`;
      this.#note(error.status === 404 ? `${error.message} To watch it: ${command}` : error.message);
    }
  }

  #draw() {
    const { job } = this;
    this.#note("");
    show(byId("job-body"), true);
    say(byId("job-name"), job.job_name || "(no name yet)");
    byId("job-id").replaceChildren(badge(job.status), h("code", {}, job.job_id), copyButton(job.job_id, "job id"));
    byId("job-links").replaceChildren(...this.#links());
    byId("job-facts").replaceChildren(...facts(job, this.now()).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    byId("job-life").replaceChildren(...lifeBar(job, this.now()));
    byId("job-timeline").replaceChildren(...timeline(job, this.now()));
  }

  /** Links to where AWS shows it, if that is known; a simulator has no console. */
  #links() {
    const { job } = this;
    const given = [
      [outside(job.log_url), "Log stream"],
      [outside(job.console_url), "AWS Batch console"],
    ];
    const arrow = () => h("span", { "aria-hidden": "true" }, " ↗");
    const links = given.filter(([url]) => url);
    return links.map(([url, words]) => h("a", { class: "button", href: url, target: "_blank", rel: "noreferrer noopener" }, words, arrow()));
  }
}

function facts(job, now) {
  const live = !ended(job.status);
  const all = [
    ["Status", `${job.status}: ${STATUSES[job.status] || "unknown"}`],
    ["Reason", job.reason || job.status_reason || NONE],
    job.reason && job.status_reason && job.status_reason !== job.reason ? ["Status reason", job.status_reason] : null,
    ["Exit code", job.exit_code === null ? NONE : String(job.exit_code)],
    ["Attempt", job.attempt ? String(job.attempt) : NONE],
    ["Queue", wrapped(job.job_queue)],
    ["Definition", wrapped(job.job_definition)],
    ["Created", moment(job.created_at, now)],
    ["Started", moment(job.started_at, now)],
    live ? ["Expected end", expected(job, now)] : ["Stopped", moment(job.stopped_at, now)],
    ["Tracked", moment(job.tracked_at, now)],
    ["Last change seen", moment(job.changed_at, now)],
    ["Log stream", wrapped(job.log_stream)],
  ];
  return all.filter(Boolean);
}

const wrapped = (text) => (text ? h("code", {}, text) : NONE);

function moment(at, now) {
  if (!at) return NONE;
  return h("time", { title: full(at) }, `${clock(at)}, ${ago(at, now)}`);
}

function expected(job, now) {
  if (!job.expected_end) return "not known: too few of such jobs were seen";
  if (job.expected_end < now) return `${clock(job.expected_end)}, overdue by ${span(now - job.expected_end)}`;
  return `${clock(job.expected_end)}, ${until(job.expected_end, now)} (half of such jobs take longer)`;
}

/** Each transition, and how long the job stayed in what it led to. */
function timeline(job, now) {
  const steps = job.timeline;
  if (!steps.length) return [h("li", { class: "muted" }, nothing(job))];
  return steps.map((one, n) => {
    const next = steps[n + 1]?.detected_at ?? (ended(one.to) ? null : now);
    const stay = next === null ? lateness(one) : `for ${span(next - one.detected_at)}${steps[n + 1] ? "" : " until now"}`;
    const words = [one.reason, one.exit_code !== null && one.exit_code !== undefined ? `exit code ${one.exit_code}` : ""];
    return h(
      "li",
      { "data-status": one.to },
      h("span", { class: "dot", "aria-hidden": "true" }),
      h("div", {}, h("strong", {}, one.to), h("span", { class: "muted" }, ` from ${one.from}${one.attempt > 1 ? `, attempt ${one.attempt}` : ""}`)),
      h("time", { class: "muted", title: full(one.detected_at) }, clock(one.detected_at)),
      h("span", { class: "stay" }, stay),
      h("p", { class: "muted" }, words.filter(Boolean).join(", ")),
    );
  });
}

const nothing = (job) =>
  job.timeline_complete === false
    ? "The stream is still being read: come back in a moment."
    : "No transition is kept: none was seen yet, or the stream has passed them.";

const lateness = (one) => (one.stopped_at ? `noticed ${span(one.detected_at - one.stopped_at)} after it stopped` : "");
