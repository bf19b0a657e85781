// The rules that are tried in the shadow of those in service, where the settings name some.
//
// In: what `/rules/shadow` answers. Out: a card, or none.

import { ask } from "./asking.js";
import { badge, byId, coded, fill, make, show } from "./elements.js";
import { findingsOf } from "./findings.js";
import { count, inJson, percent, several } from "./words.js";

const card = byId("shadow");

/** Ask for the shadow rules, where `/rules` says that there are some. Throws NoAnswer and Refused. */
export async function lookAtShadow(exists) {
  if (!exists) {
    show(card, false);
    return;
  }
  const shadow = await ask("rules/shadow");
  show(card);
  fill(byId("shadow-rules"), shadow, partsOf);
}

function partsOf({ ruleset, directory, rejected, against, events, differing, differences, errors, samples }) {
  const refused = rejected === null ? [] : [
    make("p", {}, badge("refused", "bad"), " What ", make("code", {}, directory), " holds cannot be tried: ", coded(rejected.reason)),
    ...findingsOf(rejected.findings, directory),
  ];
  if (ruleset === null) return refused;
  const kinds = Object.entries(differences).filter(([, number]) => number);
  return [
    ...refused,
    make("p", {}, make("code", { class: "ruleset" }, ruleset), " of ", make("code", {}, directory), " is tried beside ", make("code", {}, against ?? "what is in service"),
      ` and does nothing: of ${several(events, "event")} it decides ${count(differing)} otherwise (${percent(events ? differing / events : null)}).`),
    kinds.length ? make("p", {}, kinds.map(([kind, number]) => [badge(`${kind} ${count(number)}`, "warn"), " "]).flat()) : null,
    errors ? make("p", { class: "bad-text" }, `It raised errors (${count(errors)}), and the events went on without it; the log has the first.`) : null,
    samples.length ? make("details", {}, make("summary", {}, "The newest of them"), make("ul", { class: "samples" }, samples.map(sampleOf))) : null,
  ];
}

function sampleOf({ id, type, differences, active, shadow }) {
  const lines = differences.map((kind) =>
    kind === "event" ? "the event" : `${kind}: ${inJson(active[kind])} in service, ${inJson(shadow[kind])} in the shadow`);
  return make("li", {}, make("code", {}, `${type} ${id ?? ""}`), ` ${lines.join("; ")}`);
}
