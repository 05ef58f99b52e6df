/** A filter that is on or off. */

import { h } from "./dom.js";

/** A button for a status, with room for a count. */
export function chip(status, title, press) {
  return h(
    "button",
    { type: "button", class: "chip badge", "data-status": status, title, "aria-pressed": "false", onclick: press },
    h("span", { class: "dot", "aria-hidden": "true" }),
    status,
    " ",
    h("b"),
  );
}
