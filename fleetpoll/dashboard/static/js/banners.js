/** What is wrong and what to do, on top of everything; and the sentence of health in the header. */

import { announce, byId, copyButton, h, mark, reconcile, say } from "./dom.js";
import { sentence } from "./health.js";

let told = "";

/** Show what was found. */
export function showFindings(status, found) {
  reconcile(byId("banners"), found, (one) => one.key, make, update);
  const { level, text } = sentence(status, found);
  mark(byId("health"), "data-level", level);
  say(byId("health-text"), text);
  tell(level, level === "ok" ? "All well" : text);
  return { level, text };
}

/** A screen reader hears of another state, not of each figure. */
function tell(level, text) {
  const state = `${level} ${text.replace(/[\d.,]+/g, "")}`;
  if (state === told) return;
  told = state;
  if (level !== "wait") announce(text);
}

function make(one) {
  const command = one.command && [h("code", {}, one.command), copyButton(one.command, "command")];
  return h(
    "div",
    { class: "banner", "data-level": one.level },
    h("strong", { class: "banner-title" }),
    h("p", { class: "banner-advice" }),
    command ? h("p", { class: "banner-command" }, command) : null,
  );
}

function update(element, one) {
  mark(element, "data-level", one.level);
  say(element.querySelector(".banner-title"), one.title);
  say(element.querySelector(".banner-advice"), one.advice);
}
