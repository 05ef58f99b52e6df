// Loaded before the page is painted, so that a chosen theme does not flash; the rest of it is in appearance.js.
(() => {
  try {
    const chosen = localStorage.getItem("fleetpoll-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; then the system's theme it is.
  }
})();
