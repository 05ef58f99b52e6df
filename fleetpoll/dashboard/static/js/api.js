/** The server's API. Paths are relative, so that the page works behind a prefix. */

const chosen = { fleet: "" };

/** What the server says is wrong, in a sentence; `status` is HTTP's, 0 if it cannot be reached. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Ask about this fleet from now on ('' is the server's first). */
export function useFleet(name) {
  chosen.fleet = name;
}

/** The address of a question about the fleet. */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ fleet: chosen.fleet, ...parameters })) {
    if (value !== "" && value !== null && value !== undefined) query.set(name, value);
  }
  const text = query.toString();
  return `api/${path}${text ? `?${text}` : ""}`;
}

/** GET, as JSON. Raises ApiError; an aborted question raises AbortError. */
export const get = (path, parameters = {}, signal = undefined) => call(address(path, parameters), { signal });

/** POST or DELETE with JSON. Raises ApiError. */
export function send(method, path, body = undefined) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  return call(address(path), { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

async function call(url, options) {
  let answer;
  try {
    answer = await fetch(url, { ...options, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The dashboard's server does not answer. Is fleetpoll dashboard still running?", 0);
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw new ApiError(await reason(answer), answer.status);
}

async function reason(answer) {
  try {
    return (await answer.json()).error || `HTTP ${answer.status}`;
  } catch {
    return `The server answered with HTTP ${answer.status}.`;
  }
}
