/** The page as a whole: asks who we are, listens, and gives what comes to those that show it. */

import { ApiError, get, useFleet } from "./api.js";
import { themes } from "./appearance.js";
import { showFindings } from "./banners.js";
import { Charts, RANGES } from "./charts.js";
import { Controls } from "./controls.js";
import { byId, h, mark, say, show } from "./dom.js";
import { Feed } from "./feed.js";
import { findings, isNew } from "./health.js";
import { Job } from "./job.js";
import { Jobs } from "./jobs.js";
import { go, hash, keepFleet, link, parse } from "./route.js";
import { History } from "./series.js";
import { session, showSession, signing } from "./session.js";
import { Stream } from "./stream.js";
import { showTiles } from "./tiles.js";
import { showWorkers } from "./workers.js";

const LINKS = { connecting: "Connecting", live: "Live", lost: "Reconnecting", refused: "Reconnecting" };
const LOST_MS = 6000;
const THROTTLED_OVER_S = 120;

class Page {
  constructor() {
    this.session = null;
    this.status = null;
    this.away = "";
    this.refused = "";
    this.lostSince = null;
    this.skew = 0;
    this.fleet = null;
    this.listening = false;
    this.history = new History();
    const now = () => Date.now() / 1000 + this.skew;
    this.now = now;
    this.charts = new Charts(this.history);
    this.charts.now = now;
    this.jobs = new Jobs(now);
    this.job = new Job(now);
    this.feed = new Feed();
    this.controls = new Controls(() => this.#askStatus());
    this.stream = new Stream({
      state: (word) => this.#connection(word),
      status: (status) => this.#takeStatus(status),
      transitions: (event) => this.#takeTransitions(event),
      point: (row) => this.#takePoint(row),
      trouble: (event) => this.#takeTrouble(event.error),
    });
  }

  start() {
    themes(() => this.charts.restyle());
    signing(() => this.begin());
    addEventListener("hashchange", () => this.#navigate());
    addEventListener("keydown", shortcut);
    byId("skip").addEventListener("click", skip);
    byId("fleet-switch").addEventListener("change", (event) => go(hash("overview", { fleet: event.target.value })));
    setInterval(() => this.#tick(), 1000);
    this.begin();
  }

  /** Ask who we are; go on if we may. */
  async begin() {
    try {
      this.session = await session();
    } catch (error) {
      return this.#failed(error, () => this.begin());
    }
    const locked = showSession(this.session);
    mark(document.body, "data-locked", locked ? "yes" : null);
    if (locked) this.#lock();
    else this.#navigate(true);
    return undefined;
  }

  #lock() {
    this.stream.close();
    this.listening = false;
    say(byId("health-text"), "Sign in to see the fleet.");
    mark(byId("health"), "data-level", "wait");
    for (const view of document.querySelectorAll("[data-views]")) show(view, false);
    byId("token").focus();
  }

  /** Go where the address says. */
  #navigate(anew = false) {
    if (!this.session || (this.session.token_needed && !this.session.signed_in)) return;
    const route = parse(location.hash);
    const changed = this.route?.view !== route.view || this.route?.id !== route.id;
    this.route = route;
    const fleet = route.query.get("fleet") || "";
    if (anew || fleet !== this.fleet || !this.listening) this.#enter(fleet);
    this.#showView(changed && !anew);
  }

  /** Listen to another fleet. */
  #enter(fleet) {
    this.fleet = fleet;
    this.listening = true;
    useFleet(fleet);
    keepFleet(fleet);
    const { fleets } = this.session;
    const current = fleets.includes(fleet) ? fleet : (fleets[0] ?? "");
    say(byId("fleet-name"), current || "fleetpoll");
    show(byId("fleet-name"), fleets.length < 2);
    show(byId("fleet-switch"), fleets.length > 1);
    byId("fleet-switch").replaceChildren(...fleets.map((name) => h("option", { value: name, selected: name === current }, name)));
    this.status = null;
    this.refused = "";
    this.history.load({});
    this.stream.open();
    this.#askAll();
  }

  #showView(moveFocus) {
    const { view, id, query } = this.route;
    for (const section of document.querySelectorAll("[data-views]")) {
      show(section, section.dataset.views.split(" ").includes(view));
    }
    for (const anchor of document.querySelectorAll("nav a[data-view]")) {
      anchor.href = link(anchor.dataset.view);
      mark(anchor, "aria-current", anchor.dataset.view === (view === "job" ? "jobs" : view) ? "page" : null);
    }
    this.feed.shorten(view === "overview");
    if (view === "jobs") this.jobs.open(query);
    else this.jobs.close();
    if (view === "job") this.job.open(id).then(() => this.#title());
    else this.job.close();
    if (view === "overview") this.charts.setRange(query.get("range") in RANGES ? Number(query.get("range")) : 15);
    if (view === "overview") this.#askHistory();
    if (moveFocus) {
      scrollTo(0, 0);
      byId("main").focus({ preventScroll: true });
    }
    this.#draw();
  }

  #askAll() {
    this.#askStatus();
    this.#ask("events", { limit: 100 }, (events) => this.feed.load(events));
  }

  #askStatus() {
    this.#ask("status", {}, (status) => this.#takeStatus(status));
  }

  #askHistory() {
    const minutes = this.charts.range;
    const asked = `${this.fleet}/${minutes}`;
    this.#ask("history", { minutes }, (answer) => {
      if (asked !== `${this.fleet}/${this.charts.range}`) return;
      this.history.load(answer);
      this.charts.draw();
      this.#draw();
    });
  }

  async #ask(what, parameters, take) {
    const { fleet } = this;
    try {
      const answer = await get(what, parameters);
      if (fleet === this.fleet) take(answer);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** What a failed question tells about the fleet. Others are errors of this page, and shall be seen. */
  #failed(error, again = null) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401 && this.session?.signed_in !== false) this.begin();
    else if (error.status === 503) this.#takeTrouble(error.message);
    else if (error.status === 0) this.lostSince ??= performance.now() - LOST_MS;
    else this.refused = error.message;
    if (again) setTimeout(again, 2000);
    this.#draw();
  }

  #takeStatus(status) {
    const back = this.away !== "" || this.status === null;
    this.away = this.refused = "";
    this.status = status;
    this.skew = status.now - Date.now() / 1000;
    say(byId("fleet-name"), status.fleet);
    if (back) this.#renew();
    this.#draw();
  }

  /** What was not told while nobody was heard. */
  #catchUp() {
    this.#askAll();
    this.#renew();
  }

  /** After something was missed. */
  #renew() {
    if (this.route?.view === "overview") this.#askHistory();
    if (this.route?.view === "jobs") this.jobs.load();
    if (this.route?.view === "job") this.job.renew();
  }

  #takeTransitions(event) {
    const list = Array.isArray(event) ? event : event.transitions;
    this.feed.add(list, event.more ?? 0);
    this.jobs.changed(list);
    this.job.changed(list);
  }

  #takePoint(row) {
    this.history.append(row);
    if (this.route?.view === "overview" && !document.hidden) this.charts.draw();
  }

  #takeTrouble(words) {
    this.away = words;
    this.#draw();
  }

  #connection(word) {
    if (word === "live") {
      if (this.lostSince !== null) this.#catchUp();
      this.lostSince = null;
    } else if (word !== "connecting") this.lostSince ??= performance.now();
    if (word === "refused") session().then((known) => known.token_needed && !known.signed_in && this.begin(), () => {});
    this.link = word;
    this.#draw();
  }

  #draw() {
    if (!this.session) return;
    const { status, away, refused } = this;
    const lost = this.lostSince !== null && performance.now() - this.lostSince >= LOST_MS;
    const throttled = this.history.share("throttled", "calls", THROTTLED_OVER_S);
    this.said = showFindings(status, findings(status, { away, lost, refused, throttled, fleet: this.#named() }));
    const link_ = away ? "away" : (this.link ?? "connecting");
    if (status || this.said.level === "bad") mark(document.body, "data-waiting", null);
    mark(byId("link"), "data-state", link_);
    say(byId("link-text"), away ? "Redis away" : LINKS[link_]);
    this.controls.show(this.session, status, away || lost);
    show(byId("start"), Boolean(status) && isNew(status) && this.route?.view === "overview");
    if (status) {
      showTiles(status, this.history);
      showWorkers(status, this.now());
      this.jobs.showChips(status);
    }
    this.#title();
  }

  /** The fleet's name, if there are several; '' if it need not be said. */
  #named() {
    const { fleets } = this.session;
    return fleets.length > 1 ? (fleets.includes(this.fleet) ? this.fleet : fleets[0]) : "";
  }

  #title() {
    const signs = { ok: "●", info: "●", warn: "▲", bad: "■", wait: "○" };
    const { level, text } = this.said ?? { level: "wait", text: "" };
    const where = this.route?.view === "job" ? this.job.name : (this.status?.fleet ?? "");
    const words = level === "ok" ? "All well" : text.split(":")[0];
    const title = [`${signs[level]} ${words}`, where, "fleetpoll"].filter(Boolean).join(" · ");
    if (document.title !== title) document.title = title;
  }

  /** Times go on while nothing comes. */
  #tick() {
    if (document.hidden || !this.status) return;
    showWorkers(this.status, this.now());
    if (this.lostSince !== null) this.#draw();
  }
}

function skip(event) {
  event.preventDefault(); // the address is a route
  byId("main").focus();
}

/** "/" goes to the search, as in many places. */
function shortcut(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  event.preventDefault();
  if (parse(location.hash).view !== "jobs") go(link("jobs"));
  setTimeout(() => byId("job-search").focus());
}

new Page().start();
