/** Who we are to the server: fleets to choose from, signed in or not. */

import { ApiError, get, send } from "./api.js";
import { byId, mark, say, show } from "./dom.js";

/** The server's word on this session: {fleets, version, token_needed, signed_in, controls}. */
export const session = () => get("session");

/** Make the form and the button work; `onChange` is called after signing in or out. */
export function signing(onChange) {
  const form = byId("sign-in-form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = byId("token");
    try {
      await send("POST", "session", { token: field.value });
      field.value = "";
      complain("");
      onChange();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      complain(error.status === 401 ? "That is not the token. It is in FLEETPOLL_DASHBOARD_TOKEN, or in the file of --token-file, where the dashboard was started." : error.message);
      field.select();
    }
  });
  byId("sign-out").addEventListener("click", async () => {
    try {
      await send("DELETE", "session");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the page says by itself that the server is away
    }
    onChange();
  });
}

function complain(text) {
  say(byId("sign-in-error"), text);
  mark(byId("token"), "aria-invalid", text ? "true" : null);
}

/** Show the form if a token is wanted, and the button to sign out if one was given. */
export function showSession(known) {
  const wanted = known.token_needed && !known.signed_in;
  show(byId("sign-in"), wanted);
  show(byId("sign-out"), known.token_needed && known.signed_in);
  say(byId("version"), known.version ? `fleetpoll ${known.version}` : "fleetpoll");
  return wanted;
}
