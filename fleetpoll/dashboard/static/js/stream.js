/** The live stream: what happens, as it happens, and whether we hear of it. */

import { address } from "./api.js";

const RETRY_MS = [1000, 2000, 4000, 8000];
const QUIET_MS = 10_000; // a status, or trouble, comes every second; Redis may take seven to be given up
const DEAD_MS = 20_000;

/**
 * Server-sent events of one fleet. `on` has a function for each event (status, transitions, point, trouble), and
 * `state(word)` for "connecting", "live", "lost" and "refused" (the server does not want us: ask why).
 */
export class Stream {
  constructor(on) {
    this.on = on;
    this.source = null;
    this.tries = 0;
    this.timer = 0;
    this.heard = 0;
    this.heardAt = 0;
    setInterval(() => this.#watch(), 2000);
    document.addEventListener("visibilitychange", () => document.hidden || this.#watch());
  }

  /** Listen to the fleet that is chosen now. */
  open() {
    this.close();
    this.on.state(this.tries ? "lost" : "connecting");
    const source = new EventSource(address("stream"));
    this.source = source;
    this.#note();
    source.addEventListener("open", () => this.#hear());
    source.addEventListener("error", () => this.#failed(source));
    for (const name of ["status", "transitions", "point", "trouble"]) {
      source.addEventListener(name, (event) => this.#take(name, event));
    }
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  #hear() {
    this.tries = 0;
    this.#note();
    this.on.state("live");
  }

  #note() {
    this.heard = performance.now();
    this.heardAt = Date.now();
  }

  /** How long nothing was heard. One clock stands still while a laptop sleeps, the other may be put back. */
  #quiet() {
    return Math.max(performance.now() - this.heard, Date.now() - this.heardAt);
  }

  #take(name, event) {
    this.#hear();
    this.on[name](JSON.parse(event.data));
  }

  /** The browser tries again by itself after a broken connection, but not after a refusal. */
  #failed(source) {
    if (source !== this.source) return;
    const refused = source.readyState === EventSource.CLOSED;
    this.on.state(refused ? "refused" : "lost");
    if (!refused) return;
    this.close();
    this.timer = setTimeout(() => this.open(), RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]);
  }

  /** A connection can be dead without a word, behind a proxy or after a sleep: that is said, and a new one is made. */
  #watch() {
    if (!this.source) return;
    const quiet = this.#quiet();
    if (quiet > DEAD_MS) {
      this.tries += 1;
      this.open();
    } else if (quiet > QUIET_MS) this.on.state("lost");
  }
}
