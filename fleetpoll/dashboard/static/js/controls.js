/** An operator's hand on the fleet. Each deed says first what it will do; where it is not allowed, why. */

import { ApiError, send } from "./api.js";
import { byId, h, mark, say, show } from "./dom.js";
import { num, plural } from "./format.js";

const DEEDS = {
  pause: {
    title: "Pause all calls?",
    words: () => "Nobody is granted a DescribeJobs call until it is resumed: no change of any job is noticed. Nothing is lost; jobs go on at AWS.",
    button: "Pause",
    danger: true,
  },
  resume: { title: "Resume calls?", words: () => "The fleet goes on at once with the rate it had.", button: "Resume" },
  pin: {
    title: "Pin the rate?",
    words: (value) => `The whole fleet makes ${num(value)} calls/s from now on, whatever AWS says: a pinned rate does not slow down when calls are throttled.`,
    button: "Pin",
    danger: true,
  },
  unpin: { title: "Let the rate adapt?", words: () => "The fleet finds the rate by itself again, up to the configured one.", button: "Unpin" },
  drain: {
    title: "Drain all workers?",
    words: (_value, status) =>
      `${plural(status?.workers.length ?? 0, "worker")} finish the leases they hold and claim nothing more. They stay, and notice nothing until this is taken back.`,
    button: "Drain",
    danger: true,
  },
  undrain: { title: "Take the drain back?", words: () => "Workers claim due jobs again at once.", button: "Take back" },
};

/** The panel of controls; `renew` is called after something was done. */
export class Controls {
  constructor(renew) {
    this.renew = renew;
    this.status = null;
    for (const button of this.#buttons()) button.addEventListener("click", () => this.#ask(button.value));
    byId("pin-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!byId("pin-submit").disabled) this.#ask("pin");
    });
    byId("confirm").addEventListener("close", () => this.#closed());
  }

  #buttons() {
    return document.querySelectorAll("#controls button[value]");
  }

  /** Show what can be done now. */
  show(session, status, away) {
    this.status = status;
    const why = refusal(session, status, away);
    say(byId("controls-why"), why);
    show(byId("controls-why"), why !== "");
    for (const button of this.#buttons()) button.disabled = why !== "";
    byId("pin-rate").disabled = byId("pin-submit").disabled = why !== "";
    if (status) this.#stand(status);
  }

  #stand({ rate, order, workers }) {
    const pinned = rate.pinned !== null;
    say(byId("allowance-now"), rate.paused ? "Paused: no calls are granted." : `${num(rate.granted)} calls/s are granted, ${num(rate.configured)} configured${pinned ? "; pinned" : ""}.`);
    say(byId("order-now"), order === "drain" ? "Drained: workers claim nothing." : order ? `Order: ${order}.` : `${plural(workers.length, "worker")} at work.`);
    swap("pause", "resume", rate.paused);
    show(byId("control-unpin"), pinned);
    swap("drain", "undrain", order === "drain");
  }

  #ask(action) {
    const value = action === "pin" ? byId("pin-rate").valueAsNumber : undefined;
    if (action === "pin" && !byId("pin-form").reportValidity()) return;
    const deed = DEEDS[action];
    this.asked = { action, value };
    byId("controls-result").replaceChildren();
    say(byId("confirm-title"), deed.title);
    say(byId("confirm-words"), deed.words(value, this.status));
    const yes = byId("confirm-yes");
    say(yes, deed.button);
    mark(yes, "class", deed.danger ? "danger" : "primary");
    byId("confirm").returnValue = "";
    byId("confirm").showModal();
  }

  async #closed() {
    if (byId("confirm").returnValue !== "yes") return;
    try {
      await send("POST", "control", this.asked);
      this.#tell("Done.", false);
      this.renew();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#tell(`Not done: ${error.message}`, true);
    }
  }

  #tell(text, bad) {
    byId("controls-result").replaceChildren(h("span", { class: bad ? "bad" : "good" }, text));
  }
}

function swap(one, other, second) {
  show(byId(`control-${one}`), !second);
  show(byId(`control-${other}`), second);
}

function refusal(session, status, away) {
  if (!session?.controls) return "Controls are off: start the dashboard with a token and --controls to have them here. The commands below always work.";
  if (!session.signed_in) return "Sign in with the token to use the controls.";
  if (away || !status) return "Not while Redis is away.";
  return "";
}
