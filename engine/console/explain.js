// Why the rules do to an event what they do.
//
// In: an event that the reader writes. Out: what `/rules/explain` answers, as trees. Rule of the file: when other rules come into service, what
// stands there is asked again, so that it always speaks of the rules in service.

import { NoAnswer, post, Refused } from "./asking.js";
import { badge, byId, coded, fill, make, write } from "./elements.js";
import { treeOf, tests } from "./tree.js";
import { inJson, time } from "./words.js";

const OUTCOMES = { accepted: "good", blocked: "warn", rejected: "bad" };
const STATES = {
  matched: ["matches", "good"],
  not_matched: ["does not match", "plain"],
  unknown: ["unknown, so it does nothing", "warn"],
  error: ["raised an error, so it does nothing", "bad"],
  off: ["switched off", "plain"],
  not_reached: ["not reached: blocked before", "plain"],
};
// What the default rules have something to say about.
const OF_DEFAULTS = {
  event_type: "attempt",
  client_attempt_id: "try-1",
  user_id: "user_001",
  item_id: "item_001",
  timestamp: "",
  response_time_ms: 640,
  is_correct: true,
};
const MOST_UNFOLDED = 12;
const field = byId("event");
let explained = null;
let showWindows = () => {};

/** Have the form explain; `windows(aggregation, key)` shows what a key has. */
export function onExplainForm(windows) {
  showWindows = windows;
  byId("explain-form").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    explain(field.value);
  });
}

/** Offer an event to begin with, where the field is empty: `example` has what the rules need of one. */
export function offerEvent(example) {
  if (field.value) return;
  const isOfDefaults = example.event_type === OF_DEFAULTS.event_type && Object.keys(example).every((name) => name in OF_DEFAULTS);
  field.value = JSON.stringify(isOfDefaults ? { ...OF_DEFAULTS, timestamp: example.timestamp } : example, null, 2);
}

/** Other rules are in service: what was explained is asked again. */
export function explainUnder(ruleset) {
  if (explained !== null && explained.ruleset !== ruleset) explain(explained.text);
}

async function explain(text) {
  try {
    const answer = await post("rules/explain", text.trim() || "{}");
    explained = { text, ruleset: answer.ruleset };
    write(byId("explain-problem"), "");
    fill(byId("explained"), answer, partsOf);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof NoAnswer)) throw error;
    explained = null;
    byId("explain-problem").replaceChildren(...coded(error instanceof NoAnswer ? `the engine does not answer: ${error.message}` : error.message));
    fill(byId("explained"), null, () => []);
  }
}

function partsOf(answer) {
  const parts = [headOf(answer)];
  if (!answer.filters) return parts;
  parts.push(contextsOf(answer.enrichment ?? {}));
  const few = answer.filters.length <= MOST_UNFOLDED;
  parts.push(make("h3", {}, "Filters"), ...answer.filters.map((judged) => filterOf(judged, few)));
  if (answer.aggregations.length) parts.push(make("h3", {}, "Aggregations"), ...answer.aggregations.map(tallyOf));
  parts.push(make("details", {}, make("summary", {}, "The event as the filters left it"), make("pre", { tabindex: "0" }, JSON.stringify(answer.event, null, 2))));
  return parts;
}

function headOf({ outcome, ruleset, type, time: at, key, decision }) {
  const facts = [
    outcome.message ? make("p", {}, coded(outcome.message), outcome.pointer ? make("code", {}, ` ${outcome.pointer}`) : null) : null,
    type ? make("p", { class: "muted" }, "an event of type ", make("code", {}, type), ` at ${time(at)}`, key ? ", key " : "", key ? make("code", {}, key) : "") : null,
  ];
  const names = ["marks", "routes", "copies"].filter((name) => decision?.[name].length);
  return make("div", { class: "outcome" },
    make("p", {}, badge(outcome.status, OUTCOMES[outcome.status]), " under ruleset ", make("code", {}, ruleset)),
    facts,
    names.map((name) => make("p", {}, `${name}: `, decision[name].map((value, index) => [index ? ", " : "", make("code", {}, value)]).flat())),
    decision?.topic ? make("p", {}, "topic: ", make("code", {}, decision.topic)) : null);
}

function contextsOf({ status = {}, derived = {}, ...contexts }) {
  const lines = Object.entries(status).map(([name, word]) =>
    make("li", {}, make("code", {}, name), ` (${word}): `, make("span", { class: "value" }, inJson(contexts[name]))));
  lines.push(...Object.entries(derived ?? {}).map(([name, value]) =>
    make("li", {}, make("code", {}, `derived.${name}`), ": ", make("span", { class: "value" }, inJson(value)))));
  return make("details", { open: lines.length > 0 }, make("summary", {}, "What is known about it"), make("ul", { class: "contexts" }, lines));
}

function filterOf(judged, few) {
  const [words, tone] = STATES[judged.state];
  const lacks = make("span", { class: "lacks" }, (judged.why_not ?? []).flatMap((needed) => [", lacks ", ...tests(needed)]));
  const actions = judged.actions.map(({ action, done, note }) => [": ", ...coded(action), done ? "" : ` (not done: ${note})`]).flat();
  const open = judged.condition !== null && (few || judged.state === "matched");
  return make("details", { class: "judged", open },
    make("summary", {}, make("strong", {}, judged.id), " ", badge(words, tone), actions, lacks),
    judged.error ? make("p", { class: "bad-text" }, judged.error) : null,
    judged.condition ? treeOf(judged.condition) : make("p", { class: "muted" }, "It was not looked at."));
}

function tallyOf(tally) {
  if (!tally.counted) {
    return make("details", { class: "judged" },
      make("summary", {}, make("strong", {}, tally.id), " ", badge("not counted", "plain"), ", ", coded(tally.reason)),
      tally.condition ? treeOf(tally.condition) : null);
  }
  const measures = Object.entries(tally.measures ?? {});
  const windows = tally.windows.map(({ start, end }) => `${time(start)} – ${time(end)}`).join(", ");
  return make("details", { class: "judged" },
    make("summary", {}, make("strong", {}, tally.id), " ", badge("counted", "good"), ` ${windows}`),
    make("p", {}, make("button", { type: "button", onclick: () => showWindows(tally.id, tally.key) }, "Show the windows of ", make("code", {}, tally.key || "all"))),
    measures.map(([name, condition]) => [make("p", { class: "muted" }, "measure ", make("code", {}, name)), treeOf(condition)]).flat());
}
