/** The table of jobs. The server searches, filters, sorts and pages; the address keeps what is asked for. */

import { ApiError, get } from "./api.js";
import { chip } from "./chip.js";
import { byId, debounced, mark, rebadge, reconcile, say, show, throttled } from "./dom.js";
import { int, plural } from "./format.js";
import { fillRow, makeRow } from "./job_row.js";
import { go, link } from "./route.js";
import { counted, STATUSES } from "./statuses.js";

const SIZES = ["25", "50", "100", "200"];
const REFRESH_MS = 3000;
const INDEXING_MS = 1000;
const DESCENDING = new Set(["created_at", "started_at", "stopped_at", "tracked_at", "changed_at", "attempt"]);

export class Jobs {
  constructor(now) {
    this.now = now;
    this.asked = null;
    this.answer = null;
    this.question = null;
    this.pending = false;
    this.typed = "";
    this.refresh = throttled(() => this.#refresh(), REFRESH_MS);
    this.#listen();
  }

  #listen() {
    const search = byId("job-search");
    search.addEventListener("input", debounced(() => this.#search(search.value.trim()), 250));
    byId("job-form").addEventListener("submit", (event) => event.preventDefault());
    byId("job-size").addEventListener("change", (event) => this.#change({ size: event.target.value }));
    byId("job-first").addEventListener("click", () => this.#page(1));
    byId("job-previous").addEventListener("click", () => this.#page(this.#at() - 1));
    byId("job-next").addEventListener("click", () => this.#page(this.#at() + 1));
    byId("job-renew").addEventListener("click", () => this.load());
    byId("job-clear").addEventListener("click", () => go(link("jobs")));
    for (const button of byId("job-table").querySelectorAll("thead button")) {
      button.addEventListener("click", () => this.#sort(button.value));
    }
    byId("job-table").addEventListener("pointerleave", () => this.refresh());
  }

  /** Show what the address asks for. */
  open(query) {
    const field = (name, otherwise) => query.get(name) || otherwise;
    this.asked = {
      status: field("status", ""),
      q: field("q", ""),
      sort: field("sort", "changed_at"),
      order: field("order", "desc"),
      page: Math.max(1, Number.parseInt(field("page", "1"), 10) || 1),
      size: SIZES.includes(query.get("size")) ? query.get("size") : "50",
    };
    if (this.asked.q !== this.typed) byId("job-search").value = this.typed = this.asked.q; // what is being typed stays
    byId("job-size").value = this.asked.size;
    for (const header of byId("job-table").querySelectorAll("thead th")) this.#ariaSort(header);
    if (this.status) this.showChips(this.status);
    this.load();
  }

  close() {
    this.question?.abort();
    this.asked = null;
  }

  #ariaSort(header) {
    const words = { asc: "ascending", desc: "descending" };
    const sorted = header.querySelector("button")?.value === this.asked.sort;
    mark(header, "aria-sort", sorted ? words[this.asked.order] : null);
  }

  /** Ask the server; the answer to an older question is not waited for. */
  async load() {
    if (!this.asked) return;
    this.question?.abort();
    const question = new AbortController();
    this.question = question;
    mark(byId("jobs"), "aria-busy", "true");
    try {
      this.answer = await get("jobs", this.asked, question.signal);
      this.#draw();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      this.#note(error.message);
    } finally {
      if (this.question === question) mark(byId("jobs"), "aria-busy", null);
    }
  }

  #draw() {
    const { jobs, indexed } = this.answer;
    this.pending = false;
    show(byId("job-renew"), false);
    reconcile(byId("job-rows"), jobs, (job) => job.job_id, makeRow, (row, job) => fillRow(row, job, this.now()));
    this.#pager();
    this.#indexing(indexed);
    show(byId("jobs-none"), this.answer.total === 0 && indexed >= 1);
    this.#note("");
  }

  #pager() {
    const { total, capped, page, size } = this.answer;
    const first = total ? (page - 1) * size + 1 : 0;
    const last = Math.min(page * size, total);
    const all = `${int(total)}${capped ? "+" : ""}`;
    const beyond = total && first > last; // there were more when that page was asked for
    say(byId("job-range"), beyond ? `page ${int(page)} is empty; ${all} in all` : total ? `${int(first)}–${int(last)} of ${all}` : "none");
    byId("job-first").disabled = byId("job-previous").disabled = page <= 1;
    byId("job-next").disabled = last >= total;
  }

  /** While the server still reads the ledger, say how far it is, and look again. */
  #indexing(indexed) {
    const going = indexed < 1;
    show(byId("job-indexing"), going);
    if (!going) return;
    say(byId("job-indexing-text"), `Indexing ${Math.floor(indexed * 100)} %: what is found so far`);
    byId("job-indexing-bar").value = indexed;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), INDEXING_MS);
  }

  #note(text) {
    say(byId("job-error"), text);
    show(byId("job-error"), text !== "");
  }

  /** Jobs have changed: those on this page show it at once; their order is renewed while nobody points at it. */
  changed(transitions) {
    if (!this.asked || !this.answer) return;
    const rows = new Map([...byId("job-rows").children].map((row) => [row.dataset.key, row]));
    for (const one of transitions) {
      const row = rows.get(one.job_id);
      if (row) rebadge(row.querySelector(".badge"), one.to);
    }
    this.pending = true;
    this.refresh();
  }

  #refresh() {
    if (!this.asked || !this.pending || document.hidden) return;
    const table = byId("job-table");
    const used = table.matches(":hover") || table.contains(document.activeElement);
    if (used || this.asked.page > 1) show(byId("job-renew"), true);
    else this.load();
  }

  /** The filters, with how many jobs have each status. */
  showChips(status) {
    this.status = status;
    if (!this.asked) return;
    const chosen = this.#chosen();
    const counts = new Map([...chosen].map((name) => [name, 0]));
    for (const [name, count] of counted(status.jobs)) counts.set(name, count);
    const order = Object.keys(STATUSES);
    const all = [...counts].sort(([one], [other]) => order.indexOf(one) - order.indexOf(other));
    const make = ([name]) => chip(name, STATUSES[name], () => this.#filter(name));
    reconcile(byId("job-chips"), all, ([name]) => name, make, (button, [name, count]) => {
      say(button.querySelector("b"), int(count));
      mark(button, "aria-pressed", String(chosen.has(name)));
    });
    show(byId("job-clear"), chosen.size > 0 || this.asked.q !== "");
    say(byId("job-total"), `${plural(status.tracked, "job")} tracked`);
  }

  #search(text) {
    if (!this.asked) return;
    this.typed = text;
    this.#change({ q: text }, true);
  }

  #chosen() {
    return new Set(this.asked.status.split(",").filter(Boolean));
  }

  #filter(status) {
    const chosen = this.#chosen();
    if (!chosen.delete(status)) chosen.add(status);
    this.#change({ status: [...chosen].join(",") });
  }

  #sort(column) {
    const { sort, order } = this.asked;
    const first = DESCENDING.has(column) ? "desc" : "asc";
    const turned = order === "asc" ? "desc" : "asc";
    this.#change({ sort: column, order: sort === column ? turned : first });
  }

  #at() {
    return this.asked.page;
  }

  #page(page) {
    this.#change({ page: page > 1 ? page : "" });
    byId("jobs").scrollIntoView({ block: "start" });
  }

  /** Another question goes into the address, and comes back from there; any but a page begins on the first. */
  #change(changes, replace = false) {
    const { sort, order, size, page: _page, ...rest } = this.asked;
    const all = { ...rest, sort, order, size, page: "", ...changes };
    if (all.sort === "changed_at" && all.order === "desc") all.sort = all.order = "";
    if (all.size === "50") all.size = "";
    go(link("jobs", all), { replace });
  }
}
