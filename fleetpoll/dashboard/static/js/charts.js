/** The four charts and their range. */

import { Chart } from "./chart.js";
import { byId, h, mark } from "./dom.js";
import { compact, num, span } from "./format.js";
import { go, link } from "./route.js";

export const RANGES = { 15: "15 min", 60: "1 h", 360: "6 h" };
const AHEAD_S = 5;
const LEAST_S = 180; // a young fleet has the whole width, from here on

const SPECS = [
  {
    title: "Allowance",
    note: "calls/s",
    format: num,
    series: [
      { name: "configured", label: "Configured", colour: "--series-limit", dash: true },
      { name: "granted", label: "Granted", colour: "--series-a" },
      { name: "calls", label: "Used", colour: "--series-b", fill: true },
      { name: "throttled", label: "Throttled", colour: "--series-bad", fill: true },
    ],
  },
  {
    title: "Lag of ends",
    note: "from AWS's stop to our notice",
    format: span,
    series: [
      { name: "lag_p50", label: "Median", colour: "--series-b", fill: true },
      { name: "lag_p90", label: "p90", colour: "--series-a" },
      { name: "lag_p99", label: "p99", colour: "--series-c" },
    ],
  },
  {
    title: "Jobs by status",
    note: "stacked; finished ones on demand",
    format: compact,
    stack: true,
    series: [
      { name: "jobs.RUNNING", label: "Running", colour: "--running" },
      { name: "jobs.STARTING", label: "Starting", colour: "--starting" },
      { name: "jobs.RUNNABLE", label: "Runnable", colour: "--runnable" },
      { name: "jobs.PENDING", label: "Pending", colour: "--pending" },
      { name: "jobs.SUBMITTED", label: "Submitted", colour: "--submitted" },
      { name: "jobs.UNSEEN", label: "Unseen", colour: "--unseen" },
      { name: "jobs.FAILED", label: "Failed", colour: "--failed", off: true },
      { name: "jobs.SUCCEEDED", label: "Succeeded", colour: "--succeeded", off: true },
    ],
  },
  {
    title: "Staleness",
    note: "age of what a look renewed",
    format: span,
    series: [
      { name: "age_p50", label: "Median", colour: "--series-b", fill: true },
      { name: "age_p99", label: "p99", colour: "--series-c" },
    ],
  },
];

/** Draws a History; `onRange(minutes)` is told of another range. */
export class Charts {
  constructor(history) {
    this.history = history;
    this.charts = SPECS.map((spec) => new Chart(spec));
    this.range = 15;
    document.head.append(h("link", { rel: "stylesheet", href: "static/vendor/uPlot.min.css" })); // no paint waits for it
    byId("chart-grid").replaceChildren(...this.charts.map((chart) => chart.element));
    byId("ranges").append(...Object.entries(RANGES).map(([minutes, label]) => rangeButton(minutes, label)));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.restyle());
  }

  /** Show that many minutes. */
  setRange(minutes) {
    this.range = minutes;
    for (const button of byId("ranges").children) mark(button, "aria-pressed", String(Number(button.value) === minutes));
    this.draw();
  }

  /** Show what the history holds now. */
  draw() {
    if (!window.uPlot) return;
    const now = Math.max(this.history.end ?? 0, this.now?.() ?? 0);
    const begin = Math.max(now - this.range * 60, Math.min(this.history.at[0] ?? 0, now - LEAST_S));
    const window_ = [begin, now + AHEAD_S];
    for (const chart of this.charts) {
      chart.set([this.history.at, ...chart.spec.series.map((one) => this.history.column(one.name))], window_);
    }
  }

  restyle() {
    for (const chart of this.charts) chart.restyle();
  }
}

function rangeButton(minutes, label) {
  const choose = () => go(link("overview", { range: minutes === "15" ? "" : minutes }));
  return h("button", { type: "button", value: minutes, "aria-pressed": "false", onclick: choose }, label);
}
