// The token for administration, where the engine asks for one.
//
// In: what the engine refused, and what the reader types. Out: a call when there is another token. Rule of the file: the field is empty again
// as soon as the token is taken.

import { hasToken, useToken } from "./asking.js";
import { byId, show, write } from "./elements.js";

const form = byId("token-form");
const field = byId("token");
const forget = byId("forget-token");

/** Call `changed` whenever there is another token, or none any more. */
export function onToken(changed) {
  form.addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    const token = field.value.trim();
    field.value = "";
    if (!/^[\x21-\x7e]+$/.test(token)) {
      write(byId("token-why"), "a token has letters, digits and `-._~+/`, and no blanks");
      return;
    }
    useToken(token);
    changed();
  });
  forget.addEventListener("click", () => {
    useToken("");
    changed();
  });
}

/** The engine took the token, or asks for none. */
export function accessGranted() {
  if (form.contains(document.activeElement)) byId("main").focus();
  show(form, false);
  show(forget, hasToken());
}

/** The engine wants another token; `refused` says why. */
export function askForToken(refused) {
  write(byId("token-why"), hasToken() ? `Refused: ${refused.message}` : "");
  if (form.hidden) {
    show(form);
    field.focus();
  }
  show(forget, hasToken());
}
