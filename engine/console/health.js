// How the engine is: its state, why it is not well, and its parts.
//
// In: what `/processor/status` answers, or that nothing does. Out: the head of the page, its banners, the card of the engine.

import { badge, byId, coded, fill, make, show, write } from "./elements.js";
import { COMMAND, count, duration, percent, time } from "./words.js";

const TONES = { ok: "good", degraded: "warn", stopping: "warn", disabled: "warn" };
// The card of the rules says it with every finding and its place.
const TOLD_BELOW = "rules: refused";
const state = byId("state");

/** Show what the engine says of itself. */
export function showHealth(status) {
  say(status.status, TONES[status.status] ?? "bad");
  show(byId("no-answer"), false);
  document.body.classList.remove("stale", "empty");
  const reasons = status.reasons.filter((reason) => !reason.startsWith(TOLD_BELOW));
  show(byId("reasons"), reasons.length > 0);
  fill(byId("reasons"), reasons, () => make("ul", {}, reasons.map((reason) => make("li", {}, coded(reason)))));
  fill(byId("engine"), factsOf(status), (facts) => [listOf(facts), ...workersOf(status.workers.each)]);
  fill(byId("footer"), [status.version, status.started_at], ([version, startedAt]) =>
    make("p", {}, `Rulemill ${version}, started ${time(startedAt)}. `, coded(COMMAND)));
}

/** Show that the engine does not answer, and why. */
export function showNoAnswer(error) {
  say("no answer", "bad");
  write(byId("no-answer-why"), `at ${location.host}: ${error.message}.`);
  show(byId("no-answer"));
  document.body.classList.add("stale");
}

/** Show what the engine asks for, and nothing that it said before: whoever sits here now may be somebody else. */
export function showRefused(error) {
  show(byId("no-answer"), false);
  show(byId("reasons"), false);
  document.body.classList.add("empty");
  say(error.status === 403 ? "another token is needed" : "a token is needed", "warn");
}

function say(word, tone) {
  write(state, word);
  state.className = `badge ${tone}`;
  document.title = word === "ok" ? "Rulemill" : `${word} – Rulemill`;
}

function factsOf(status) {
  const { workers, store, egress } = status;
  return [
    ["Up for", duration(status.uptime_seconds), "plain"],
    ["Workers", `${workers.running} of ${workers.wanted}`, workers.running < workers.wanted ? "bad" : "good"],
    ["Busy", percent(workers.utilization_percent / 100), workers.utilization_percent > 85 ? "warn" : "plain"],
    ["Store", store.kind, store.answers ? "good" : "bad"],
    ["Egress", egress.kind, egress.answers ? "good" : "bad"],
    ...(workers.deaths ? [["Workers that died", count(workers.deaths), "warn"]] : []),
  ];
}

function listOf(facts) {
  return make("dl", {}, facts.map(([name, text, tone]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, tone === "plain" ? text : badge(text, tone)))));
}

function workersOf(each) {
  return Object.entries(each ?? {}).map(([number, worker]) =>
    make("p", { class: "muted small" }, `worker ${number}: process ${worker.pid}, ruleset ${worker.ruleset}, ${worker.connections} connections`));
}
