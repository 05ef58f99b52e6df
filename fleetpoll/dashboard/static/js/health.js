/** What is wrong, what it means and what to do, from a status. Pure. */

import { int, num, percent, plural, span } from "./format.js";

const CALL_IDS = 100; // ids that one DescribeJobs carries
const BEHIND_S = 60; // due jobs that the allowance needs longer for than this are worth a word
const THROTTLED = 0.05;

/** Live jobs need workers; finished ones do not. */
const needed = (status) => status.live > 0 || status.due > 0;

/** How long the allowance takes to look at all that is due; null if that is not known. */
export function backlog_s(status) {
  return status.rate.granted > 0 && status.due !== null ? status.due / (status.rate.granted * CALL_IDS) : null;
}

/**
 * Findings, the worst first: {key, level: "bad" | "warn" | "info", title, advice, command?}.
 * `away` and `refused` are sentences of errors that keep us from knowing more: Redis is away, or the server does not answer
 * such a question. `throttled` is the recent share of throttled calls, `fleet` the name that commands need to be told.
 */
export function findings(status, { away = "", lost = false, refused = "", throttled = null, fleet = "" } = {}) {
  const found = [];
  if (refused) found.push({ key: "refused", level: "bad", title: "The dashboard does not show this", advice: refused });
  else if (away) found.push(redisAway(away));
  else if (lost) found.push(serverLost());
  if (status && !away) found.push(...troubles(status), ...workers(status), ...orders(status), ...allowance(status, throttled));
  const order = { bad: 0, warn: 1, info: 2 };
  found.sort((one, other) => order[one.level] - order[other.level]);
  return found.map((one) => ({ ...one, command: named(one.command, fleet) }));
}

/** A command that is about one fleet of several says of which. */
const named = (command, fleet) => (fleet ? command?.replace(/^fleetpoll (?=budget|fleet|plan|doctor)/, `fleetpoll --fleet ${fleet} `) : command);

const redisAway = (words) => ({
  key: "redis",
  level: "bad",
  title: "Redis is away",
  advice: `${words} Workers make no calls meanwhile, and go on by themselves; what is shown is the last that was known.`,
  command: "fleetpoll doctor",
});

const serverLost = () => ({
  key: "server",
  level: "bad",
  title: "No connection to the dashboard",
  advice: "What is shown may be old. Look whether the dashboard's process runs; this page connects again by itself.",
  command: "fleetpoll dashboard",
});

function troubles(status) {
  const all = status.workers.length;
  return status.trouble.map((one) => ({
    key: `trouble-${one.kind}-${one.code}`,
    level: one.workers >= all ? "bad" : "warn",
    title: `${titleOf(one)}: ${one.workers} of ${plural(Math.max(all, one.workers), "worker")}, for ${span(status.now - one.since)}`,
    advice: [one.advice, one.words && `AWS says: ${one.words}`].filter(Boolean).join(" "),
    command: "fleetpoll doctor",
  }));
}

function titleOf(trouble) {
  const titles = { denied: "AWS denies the calls", throttled: "AWS throttles", timeout: "AWS does not answer in time" };
  const code = trouble.code ? ` (${trouble.code})` : "";
  return (titles[trouble.kind] || `AWS fails the workers: ${trouble.kind}`) + code;
}

function workers(status) {
  const found = [];
  if (!status.workers.length && needed(status)) {
    found.push({
      key: "workers",
      level: "bad",
      title: "No workers",
      advice: `${plural(status.live, "live job")} ${status.live === 1 ? "is" : "are"} not looked at, and no end is noticed. Start some:`,
      command: "fleetpoll worker -n 4",
    });
  }
  if (status.silent?.length) {
    const hosts = [...new Set(status.silent.map((beat) => beat.host))].join(", ");
    found.push({
      key: "silent",
      level: "warn",
      title: `${plural(status.silent.length, "worker")} silent`,
      advice: `Dead, hung or cut off, on ${hosts}. Their jobs go to the others when the lease runs out. If nobody stopped them, look at their logs.`,
    });
  }
  return found;
}

function orders(status) {
  if (!status.order) return [];
  const drain = status.order === "drain";
  return [
    {
      key: "order",
      level: "warn",
      title: drain ? "Drained" : "Workers are told to stop",
      advice: drain
        ? "Workers finish their leases and claim nothing more: no end is noticed until this is taken back."
        : "Workers that ran when the order was given leave; those that are started now work.",
      command: "fleetpoll fleet resume",
    },
  ];
}

function allowance(status, throttled) {
  const { paused, pinned, configured } = status.rate;
  if (paused) {
    const advice = "Nobody is granted a call, so no end is noticed. Resume under Controls, or:";
    return [{ key: "paused", level: "warn", title: "Paused", advice, command: "fleetpoll budget resume" }];
  }
  const found = [];
  if (pinned !== null) {
    found.push({
      key: "pinned",
      level: "info",
      title: `Rate pinned to ${num(pinned)} calls/s`,
      advice: `Configured are ${num(configured)}. A pinned rate does not slow down when AWS throttles. To let it adapt again:`,
      command: "fleetpoll budget set --unpin",
    });
  }
  if (throttled !== null && throttled > THROTTLED) found.push(throttling(throttled, status));
  const behind = backlog_s(status);
  if (status.workers.length && behind > BEHIND_S) found.push(behindhand(behind, status));
  return found;
}

const throttling = (share, status) => ({
  key: "throttled",
  level: "warn",
  title: `AWS throttles ${percent(share)} of the calls`,
  advice: `Others spend from the same account and Region. The fleet goes down by itself, to ${num(status.rate.granted)} calls/s now; find out who else calls DescribeJobs.`,
});

const behindhand = (seconds, status) => ({
  key: "behind",
  level: "warn",
  title: `${int(status.due)} jobs are due`,
  advice: `At ${num(status.rate.granted)} calls/s one look at all of them takes ${span(seconds)}. A higher rate or fewer jobs; to see what is needed:`,
  command: "fleetpoll plan --learnt",
});

/** Whether this fleet is new: nobody works, and nothing is tracked. */
export const isNew = (status) => status.tracked === 0 && status.workers.length === 0 && !status.silent?.length;

/** One sentence on all of it: {level, text}. */
export function sentence(status, found) {
  const [worst] = found;
  if (worst && worst.level !== "info") {
    const more = found.filter((one) => one.level !== "info").length - 1;
    return { level: worst.level, text: worst.title + (more ? `, and ${more} more` : "") };
  }
  if (!status) return { level: "wait", text: "Reading the fleet…" };
  if (isNew(status)) return { level: "info", text: "A new fleet: no workers yet, and no jobs." };
  if (!status.workers.length) return { level: "info", text: "No workers, and no live jobs: nothing to do." };
  return { level: "ok", text: `All well: ${well(status)}` };
}

function well(status) {
  const { granted, configured, pinned } = status.rate;
  const parts = [plural(status.workers.length, "worker")];
  parts.push(pinned === null ? `${num(granted)} of ${num(configured)} calls/s` : `${num(granted)} calls/s, pinned`);
  if (status.lag.p99 !== null) parts.push(`ends noticed within ${span(status.lag.p99)}`);
  else if (status.live) parts.push(`${plural(status.live, "live job")}`);
  return parts.join(", ");
}
