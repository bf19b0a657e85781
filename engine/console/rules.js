// The rules: which are in service, what they changed, and which were refused and why.
//
// In: what `/rules` answers. Out: the card of the rules. Rule of the file: nothing is changed but by the button that says so.

import { NoAnswer, post, Refused } from "./asking.js";
import { badge, byId, coded, fill, make } from "./elements.js";
import { findingsOf } from "./findings.js";
import { count, several, time } from "./words.js";

const MOST_NAMES = 20;
const KINDS = { filters: "filter", aggregations: "aggregation", sources: "source", deduplication: "deduplication of" };
const WORDS = { added: "added", removed: "removed", changed: "changed", reset: "begins anew" };
let toldOfFiles = false;

/** Show the rules in service, and those that were refused. */
export function showRules(rules) {
  // What was said of the files, and not of what is in service, was said of other files.
  if (toldOfFiles) fill(byId("rules-told"), null, () => []);
  byId("rules").classList.toggle("refused", rules.rejected !== null);
  fill(byId("rules-refused"), [rules.rejected, rules.ruleset, rules.origin, rules.directory], refusal);
  fill(byId("rules-now"), [rules.ruleset, rules.loaded_at, rules.directory, rules.files, rules.findings, rules.origin, rules.reload], () => inService(rules));
  fill(byId("rules-changed"), rules.replaced, (replaced) => (replaced === null ? [] : difference(replaced)));
}

/** Have the buttons ask the engine; `changed` is called when it may have other rules. */
export function onRulesButtons(changed) {
  byId("try-rules").addEventListener("click", () => tell("rules/reload?dry_run=1", tried));
  byId("reload-rules").addEventListener("click", async () => {
    await tell("rules/reload", reloaded);
    changed();
  });
}

async function tell(path, words) {
  const told = byId("rules-told");
  try {
    const answer = await post(path);
    toldOfFiles = words === tried;
    fill(told, [answer, Date.now()], () => words(answer));
  } catch (error) {
    if (!(error instanceof Refused || error instanceof NoAnswer)) throw error;
    toldOfFiles = true;
    fill(told, [error.message, Date.now()], () => make("p", { class: "bad-text" }, coded(error.message)));
  }
}

function tried(answer) {
  if (!answer.swapped) return make("p", {}, "The files say what is in service: nothing would change.");
  return [
    make("p", {}, "Reloading would put ", make("code", {}, answer.ruleset), " in place of ", make("code", {}, answer.before), ":"),
    make("pre", { tabindex: "0" }, answer.text),
  ];
}

function reloaded(answer) {
  return make("p", {}, answer.swapped ? "Reloaded." : "Looked at the files again: they say what is in service.");
}

function inService(rules) {
  const { last_attempt_at, accepted, refused } = rules.reload;
  const origin = rules.origin === "last_good" ? "from the copy that worked last, because the files did not" : "from";
  const files = make("details", {},
    make("summary", {}, several(rules.files.length, "file")),
    make("ul", { class: "files" }, rules.files.map((file) => make("li", {}, make("code", {}, file)))));
  return [
    make("p", {}, make("code", { class: "ruleset" }, rules.ruleset), ` in service since ${time(rules.loaded_at)}, ${origin} `,
      make("code", {}, rules.directory), ". ",
      coded("Save a file there, and this page shows what becomes of it; with `rules.reload: manual`, when you press Reload.")),
    make("p", { class: "muted small" }, `Looked at last at ${time(last_attempt_at)}; ${several(accepted, "change")} taken and ${count(refused)} refused since the start.`),
    files,
    ...(rules.findings.length ? [warnings(rules.findings, rules.directory)] : []),
  ];
}

function warnings(findings, directory) {
  return make("details", {}, make("summary", {}, several(findings.length, "warning")), findingsOf(findings, directory));
}

function difference({ ruleset, changes }) {
  const lines = Object.entries(changes).flatMap(([section, parts]) =>
    Object.entries(parts).filter(([what, names]) => what in WORDS && names.length).map(([what, names]) =>
      make("li", {}, badge(WORDS[what], what === "removed" || what === "reset" ? "warn" : "good"), ` ${KINDS[section] ?? section} `,
        namesOf(names))));
  return [
    make("p", {}, "In place of ", make("code", {}, ruleset), lines.length ? ":" : ": every filter, aggregation and source means the same."),
    make("ul", { class: "changes" }, lines),
  ];
}

function namesOf(names) {
  const left = names.length - MOST_NAMES;
  const shown = names.slice(0, MOST_NAMES).map((name, index) => [index ? ", " : "", make("code", {}, name)]).flat();
  return left > 0 ? [...shown, ` and ${several(left, "other")}`] : shown;
}

function refusal([rejected, ruleset, origin, directory]) {
  if (rejected === null) return [];
  const errors = rejected.findings.filter((found) => found.severity === "error");
  const goesOn = origin === "last_good" ? "the copy of the rules that worked last" : "the rules before them";
  return [
    make("p", {}, badge("refused", "bad"), make("strong", {}, ` The rules on disk have ${several(errors.length || 1, "error")}`),
      `, seen at ${time(rejected.at)}. Nothing is lost: `, make("code", {}, ruleset), `, ${goesOn}, goes on. Mend the file, and save it.`),
    ...(errors.length ? [] : [make("p", { class: "bad-text" }, coded(rejected.reason))]),
    ...findingsOf(rejected.findings, directory),
  ];
}
