// The console: asks the engine once a second, and hands what it says to the parts of the page.
//
// In: nothing. Out: a page that is live. Rule of the file: whatever goes wrong is shown and tried again; a page that nobody looks at asks nothing.

import { accessGranted, askForToken, onToken } from "./access.js";
import { ask, NoAnswer, Refused } from "./asking.js";
import { explainUnder, offerEvent, onExplainForm } from "./explain.js";
import { showFlow } from "./flow.js";
import { showHealth, showNoAnswer, showRefused } from "./health.js";
import { showAggregations, showFilters, showSources } from "./parts.js";
import { onRulesButtons, showRules } from "./rules.js";
import { lookAtShadow } from "./shadow.js";
import { chooseWindows, lookAtWindows, offerWindows, onWindowsForm } from "./windows.js";

const EVERY_MS = 1_000;
const AGAIN_MS = 10_000;
const NEWS_MS = 600_000;
const OTHER_TURN = 2;
const PARTS_A_TURN = 250;

let turn = 0;
let partsAt = 0;
let seenRules = "";
let rules = null;
let wake = () => {};

async function watch() {
  for (;;) {
    const pauseMs = document.hidden ? Infinity : await look();
    await pause(pauseMs);
  }
}

/** Ask once; returns how long to wait before the next time. */
async function look() {
  try {
    const status = await ask("processor/status");
    accessGranted();
    showHealth(status);
    showFlow(await ask("metrics/processor"));
    const changed = await lookAtRules(status);
    if (changed || turn >= partsAt) partsAt = turn + await lookAtParts();
    turn += 1;
    return EVERY_MS;
  } catch (error) {
    return shown(error);
  }
}

/** Ask for the rules where there may be others than those that are shown: they can be long. */
async function lookAtRules({ ruleset, started_at: startedAt, rules_load: { at, successful } }) {
  const mark = `${startedAt} ${ruleset} ${at} ${successful}`;
  if (mark === seenRules) return false;
  rules = await ask("rules");
  seenRules = mark;
  showRules(rules);
  offerEvent(rules.example);
  explainUnder(rules.ruleset);
  return true;
}

/** Ask what each part of the rules has done; returns after how many turns to do so again: the more there is to show, the less often. */
async function lookAtParts() {
  const [filters, aggregations, enrichment] = await Promise.all([
    ask("processor/filters"),
    ask("processor/aggregations"),
    ask("processor/enrichment"),
  ]);
  showFilters(filters, newsOf("filters"));
  showAggregations(aggregations, newsOf("aggregations"));
  showSources(enrichment);
  offerWindows(aggregations.aggregations);
  await lookAtWindows();
  await lookAtShadow(rules.shadow);
  const parts = Object.keys(filters.filters).length + Object.keys(aggregations.aggregations).length;
  return OTHER_TURN + Math.floor(parts / PARTS_A_TURN);
}

/** What became of parts of the rules lately, by name. */
function newsOf(section) {
  if (rules?.replaced == null || Date.now() - new Date(rules.loaded_at) > NEWS_MS) return {};
  const { added = [], changed = [], reset = [] } = rules.replaced.changes[section];
  return Object.fromEntries([...added.map((name) => [name, "new"]), ...changed.map((name) => [name, "changed"]), ...reset.map((name) => [name, "anew"])]);
}

function shown(error) {
  if (error instanceof Refused && error.wantsToken) {
    showRefused(error);
    askForToken(error);
    return AGAIN_MS;
  }
  if (error instanceof NoAnswer || error instanceof Refused) {
    showNoAnswer(error);
    return EVERY_MS;
  }
  console.error(error);
  showNoAnswer(new Error("this page cannot read what it says; load the page again"));
  return EVERY_MS;
}

/** Wait so long, or until `wake` is called. */
function pause(ms) {
  return new Promise((resolve) => {
    wake = resolve;
    if (ms !== Infinity) setTimeout(resolve, ms);
  });
}

onToken(() => {
  seenRules = "";
  wake();
});
onRulesButtons(() => wake());
onWindowsForm(shown);
onExplainForm((aggregation, key) => chooseWindows(aggregation, key).catch(shown));
document.addEventListener("visibilitychange", () => wake());
watch();
