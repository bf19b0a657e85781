// The current values of an aggregation, for one key.
//
// In: what the reader asks for, or another part of the page does. Out: the newest windows, as `/processor/aggregation` gives them, again and again.

import { ask, Refused } from "./asking.js";
import { byId, coded, fill, make, show } from "./elements.js";
import { count, figure, inJson, NOTHING, time } from "./words.js";

const NEWEST = 6;
const form = byId("windows-form");
const select = byId("windows-of");
const field = byId("windows-key");
let known = {};
let chosen = null;

/** Offer these aggregations; one that has no key is chosen where nothing is. */
export function offerWindows(aggregations) {
  known = aggregations;
  const names = Object.keys(aggregations);
  show(form, names.length > 0);
  fill(select, names, () => names.map((name) => make("option", { value: name }, name)));
  if (chosen !== null && !names.includes(chosen.aggregator)) chosen = null;
  const keyless = names.find((name) => aggregations[name].key.length === 0);
  if (chosen === null && keyless) chosen = { aggregator: keyless, key: "" };
  if (chosen !== null && document.activeElement !== select && document.activeElement !== field) select.value = chosen.aggregator;
  offerKey();
}

/** Show the windows of this key from now on. */
export async function chooseWindows(aggregator, key) {
  chosen = { aggregator, key };
  select.value = aggregator;
  field.value = key;
  offerKey();
  await lookAtWindows();
  byId("windows").focus();
}

/** Ask for the windows that were chosen. Throws NoAnswer, and Refused where it is not about the question. */
export async function lookAtWindows() {
  const asked = chosen;
  if (asked === null) {
    fill(byId("windows"), null, () => []);
    return;
  }
  try {
    const query = new URLSearchParams({ aggregator: asked.aggregator, key: asked.key, limit: NEWEST });
    const answer = await ask(`processor/aggregation?${query}`);
    if (asked === chosen) fill(byId("windows"), answer, tableOf);
  } catch (error) {
    if (!(error instanceof Refused) || error.wantsToken) throw error;
    if (asked === chosen) fill(byId("windows"), error.message, (text) => make("p", { class: "bad-text", role: "alert" }, coded(text)));
  }
}

/** Have the form choose; `failed` is called with what goes wrong. */
export function onWindowsForm(failed) {
  select.addEventListener("change", () => {
    field.value = "";
    offerKey();
    if (!known[select.value].key.length) choose();
  });
  form.addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    choose();
  });
  function choose() {
    chosen = { aggregator: select.value, key: known[select.value].key.length ? field.value.trim() : "" };
    lookAtWindows().catch(failed);
  }
}

function offerKey() {
  const names = known[select.value]?.key ?? [];
  show(byId("windows-key-label"), names.length > 0);
  field.placeholder = names.map((name) => `${name}:VALUE`).join(",");
}

function tableOf({ aggregator, key, windows }) {
  const title = make("h3", {}, "Newest windows of ", make("code", {}, aggregator), key ? ", " : "", key ? make("code", {}, key) : "");
  if (!windows.length) return [title, make("p", { class: "muted" }, key ? "There are none of this key." : "There are none yet.")];
  const names = Object.keys(windows[0].values);
  const head = ["Window", ...names].map((name, index) =>
    make("th", { role: "columnheader", scope: "col", class: index ? "number" : null }, name));
  const rows = windows.map(({ start, end, final, values }) =>
    make("tr", { role: "row" },
      make("th", { role: "rowheader", scope: "row" }, `${time(start)} – ${time(end)}`, final ? make("span", { class: "muted small" }, " final") : null),
      names.map((name) => make("td", { role: "cell", class: "number", "data-title": name }, measured(values[name])))));
  const table = make("table", { role: "table", class: "windows" },
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, head)), make("tbody", { role: "rowgroup" }, rows));
  return [title, make("div", { class: "scrolls", role: "region", "aria-label": "Windows", tabindex: "0" }, table)];
}

/** What a measure came to; the most frequent values as `s1 18, s2 15`. */
function measured(value) {
  if (!Array.isArray(value)) return figure(value);
  return value.map(({ value: text, count: number }) => `${typeof text === "string" ? text : inJson(text)} ${count(number)}`).join(", ") || NOTHING;
}
