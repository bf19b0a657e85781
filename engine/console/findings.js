// What is wrong with rules.
//
// In: findings, as `rulemill validate --format json` gives them. Out: for each its place, its line, and the fix; errors first.

import { badge, coded, make } from "./elements.js";
import { COMMAND } from "./words.js";

const MOST = 50;

/** The findings of the rules in `directory` as nodes; of very many the first, and how many are left. */
export function findingsOf(findings, directory) {
  const ordered = [...findings].sort((one, other) => Number(one.severity !== "error") - Number(other.severity !== "error"));
  const left = ordered.length - MOST;
  return [
    ...ordered.slice(0, MOST).map((found) => finding(found, directory)),
    ...(left > 0 ? [make("p", { class: "muted" }, coded(`… and ${left} more: \`rulemill validate ${directory}\` shows all.`))] : []),
    ...(left > 0 || ordered.some(({ edits }) => edits?.length) ? [make("p", { class: "muted small" }, coded(COMMAND))] : []),
  ];
}

function finding(found, directory) {
  const advice = [found.help, found.fix && `write \`${found.fix}\``].filter(Boolean).join("; ");
  const mend = found.edits?.length ? ` \`rulemill validate ${directory} --fix\` writes it.` : "";
  return make("article", { class: `finding ${found.severity}` },
    make("h3", {}, badge(found.code, found.severity === "error" ? "bad" : "warn"), " ", coded(found.message)),
    make("p", { class: "place" }, placeOf(found), found.rule ? make("span", { class: "muted" }, ` in ${found.rule}`) : null),
    found.excerpt ? excerptOf(found.excerpt) : null,
    advice ? make("p", { class: "fix" }, make("strong", {}, "Fix: "), coded(`${advice}${advice.endsWith("?") ? "" : "."}${mend}`)) : null,
    (found.related ?? []).map((related) => make("p", { class: "muted small" }, coded(related.message), ": ", placeOf(related))));
}

/** The line, with the marks under the place in view where it is longer than the page is wide. */
function excerptOf(text) {
  const from = text.search(/\^+(?!.*\^)/s);
  if (from < 0) return make("pre", { tabindex: "0" }, text);
  const marks = make("span", {}, text.slice(from));
  const excerpt = make("pre", { tabindex: "0" }, text.slice(0, from), marks);
  // It has a width once it stands in the page, which is when whoever asked for it is done.
  queueMicrotask(() => {
    if (marks.offsetLeft + marks.offsetWidth > excerpt.clientWidth) excerpt.scrollLeft = marks.offsetLeft - excerpt.clientWidth / 2;
  });
  return excerpt;
}

function placeOf({ file, line, col }) {
  return make("code", {}, line ? `${file}:${line}:${col}` : file);
}
