// What is wrong with rules.
//
// In: findings, as `validate-rules --format json` gives them. Out: for each its place, its line, and the fix; errors first.

import { badge, coded, make } from "./elements.js";

const MOST = 50;

/** The findings as nodes; of very many the first, and how many are left. */
export function findingsOf(findings) {
  const ordered = [...findings].sort((one, other) => Number(one.severity !== "error") - Number(other.severity !== "error"));
  const left = ordered.length - MOST;
  return [
    ...ordered.slice(0, MOST).map(finding),
    ...(left > 0 ? [make("p", { class: "muted" }, coded(`… and ${left} more: \`validate-rules\` shows all`))] : []),
  ];
}

function finding(found) {
  const advice = [found.help, found.fix && `write \`${found.fix}\``].filter(Boolean).join("; ");
  const mend = found.edits?.length ? " `validate-rules --fix` writes it." : "";
  return make("article", { class: `finding ${found.severity}` },
    make("h3", {}, badge(found.code, found.severity === "error" ? "bad" : "warn"), " ", coded(found.message)),
    make("p", { class: "place" }, placeOf(found), found.rule ? make("span", { class: "muted" }, ` in ${found.rule}`) : null),
    found.excerpt ? make("pre", { tabindex: "0" }, found.excerpt) : null,
    advice ? make("p", { class: "fix" }, make("strong", {}, "Fix: "), coded(`${advice}${advice.endsWith("?") ? "" : "."}${mend}`)) : null,
    (found.related ?? []).map((related) => make("p", { class: "muted small" }, coded(related.message), ": ", placeOf(related))));
}

function placeOf({ file, line, col }) {
  return make("code", {}, line ? `${file}:${line}:${col}` : file);
}
