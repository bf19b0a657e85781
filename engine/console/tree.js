// A condition as a tree: what it asks, what it saw, and what that made of it.
//
// In: a condition as `/rules/explain` gives it. Out: nested lists. Rule of the file: a result is a word and a sign, never a colour alone.

import { make } from "./elements.js";
import { inJson } from "./words.js";

const RESULTS = new Map([
  [true, ["✓", "true", "good"]],
  [false, ["✗", "false", "bad"]],
  [null, ["?", "unknown", "warn"]],
]);
const FEW_CHARS = 60;
const JOINTS = { all: "all of", any: "any of", not: "not" };

/** The tree of a condition. */
export function treeOf(condition) {
  return make("ul", { class: "tree" }, leaf(condition));
}

/** A test in a few words, with what it saw. */
export function tests(test) {
  const question = questionOf(test);
  return [make("code", {}, question.length > FEW_CHARS ? `${question.slice(0, FEW_CHARS)}…` : question), ` (${seenBy(test)})`];
}

function leaf(condition) {
  const [sign, word, tone] = RESULTS.get(condition.result);
  const isTest = condition.what === "test";
  const text = isTest
    ? [make("code", {}, questionOf(condition)), make("span", { class: "value" }, ` ${seenBy(condition)}`)]
    : [make("span", { class: "joint" }, JOINTS[condition.what] ?? condition.what)];
  return make("li", {},
    make("span", { class: `truth ${tone}` }, make("span", { "aria-hidden": "true" }, sign), make("span", {}, ` ${word}`)),
    make("span", { class: "asked" }, text, condition.place ? make("span", { class: "muted small place" }, ` ${condition.place}`) : null),
    condition.parts?.length ? make("ul", {}, condition.parts.map(leaf)) : null);
}

function questionOf({ field, operator, operand }) {
  return [field || "the element", operator, operand === undefined ? "" : inJson(operand)].join(" ").trim();
}

function seenBy({ value, reason }) {
  const seen = value === undefined ? "missing" : inJson(value);
  return reason && reason !== seen ? `it is ${seen}, ${reason}` : `it is ${seen}`;
}
