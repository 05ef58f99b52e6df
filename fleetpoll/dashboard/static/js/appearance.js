/** Light, dark, or as the system is. */

import { byId, mark, say } from "./dom.js";

const KEY = "fleetpoll-theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };

/** Make the button work; `onChange` is called when colours are others. */
export function themes(onChange) {
  const button = byId("theme");
  const paint = () => {
    const theme = document.documentElement.dataset.theme || "auto";
    say(button.querySelector(".theme-name"), theme[0].toUpperCase() + theme.slice(1));
    mark(button, "aria-label", `Theme: ${theme}; change to ${NEXT[theme]}`);
    mark(button, "data-theme-now", theme);
  };
  button.addEventListener("click", () => {
    keep(NEXT[document.documentElement.dataset.theme || "auto"]);
    paint();
    onChange();
  });
  paint();
}

function keep(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden; then it holds as long as the page.
  }
}
