/** Figures and times as people read them. All pure; durations in seconds, times in epoch seconds. */

export const NONE = "–";
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** 12,345 */
export const int = (n) => (known(n) ? WHOLE.format(n) : NONE);

/** 12.3K */
export const compact = (n) => (known(n) ? COMPACT.format(n) : NONE);

/** Three digits that matter: 0.05, 9.8, 10, 120. */
export function num(n) {
  if (!known(n)) return NONE;
  const size = Math.abs(n);
  if (size >= 99.95) return WHOLE.format(n);
  return String(Number(n.toFixed(size >= 0.995 ? 1 : 2)));
}

/** 0 %, 0.4 %, 12 % */
export function percent(share) {
  if (!known(share)) return NONE;
  const value = share * 100;
  if (value === 0 || value >= 9.95) return `${value.toFixed(0)} %`;
  return value < 0.05 ? "< 0.1 %" : `${value.toFixed(1)} %`;
}

/** 80 ms, 2.1 s, 45 s, 3 min 20 s, 1 h 4 min, 2 d 3 h */
export function span(seconds) {
  if (!known(seconds)) return NONE;
  const s = Math.max(0, seconds);
  if (s > 0 && s < 0.0995) return `${Math.max(1, Math.round(s * 1000))} ms`;
  if (s < 9.95) return `${Number(s.toFixed(1))} s`;
  if (s < 59.5) return `${Math.round(s)} s`;
  return long(Math.round(s));
}

function long(s) {
  const [first, size, second, part] = s < 3600 ? ["min", 60, "s", 1] : s < 86400 ? ["h", 3600, "min", 60] : ["d", 86400, "h", 3600];
  const whole = Math.floor(s / size);
  const rest = Math.floor((s - whole * size) / part);
  return rest && whole < 100 ? `${whole} ${first} ${rest} ${second}` : `${whole} ${first}`;
}

/** How long ago: "now", "4 s ago". Whole seconds, so that it does not flicker. */
export function ago(at, now) {
  if (!known(at) || !known(now)) return NONE;
  const s = Math.floor(now - at);
  return s < 1 ? "now" : `${span(s)} ago`;
}

/** In how long: "in 4 min", "any moment". */
export function until(at, now) {
  if (!known(at) || !known(now)) return NONE;
  return at - now < 1 ? "any moment" : `in ${span(Math.round(at - now))}`;
}

/** 14:03:59, with the day before it if that is not today. */
export function clock(at) {
  if (!known(at)) return NONE;
  const moment = new Date(at * 1000);
  const today = new Date().toDateString() === moment.toDateString();
  return today ? CLOCK.format(moment) : `${DAY.format(moment)}, ${CLOCK.format(moment)}`;
}

/** 14:03 where ticks are minutes apart, 14:03:30 where less. */
export const tick = (at, apart) => (apart < 60 ? CLOCK : MINUTE).format(new Date(at * 1000));

/** The moment in full, for a title. */
export const full = (at) => (known(at) ? new Date(at * 1000).toISOString().replace("T", " ").replace("Z", " UTC") : "");

/** 1 worker, 2 workers */
export const plural = (n, word) => `${int(n)} ${word}${n === 1 ? "" : "s"}`;
