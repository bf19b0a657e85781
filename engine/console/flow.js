// The way of the events: how many a second, how they ended, and what each stage has done and still holds.
//
// In: what `/metrics/processor` answers. Out: the cards of the rate and the ledger, and the stages.

import { byId, coded, fill, make, write } from "./elements.js";
import { Rates, sparkline } from "./history.js";
import { count, milliseconds, percent, perSecond } from "./words.js";

const ENDS = ["accepted", "duplicate", "blocked", "rejected", "retry", "in_flight"];
const MINUTE = 60;
const rates = new Rates();
const picture = sparkline();
const now = make("p", { class: "big" });
const rest = make("p", { class: "muted small" });
byId("rate").append(now, picture.node, rest);

/** Show what was done, how fast, and what waits. */
export function showFlow(processor) {
  rates.note(processor.ledger.received, processor.uptime_seconds);
  const highest = Math.max(0, ...rates.values);
  const lately = rates.now ?? processor.events_per_second;
  write(now, perSecond(lately));
  picture.draw(rates.values);
  // Before the picture shows a minute, the most in it may be less than what the last minute had.
  const most = rates.values.length < MINUTE ? "" : `, at most ${perSecond(highest)} in this picture`;
  picture.node.setAttribute("aria-label", `Events per second, now ${perSecond(lately)}${most}`);
  const latency = processor.latency_ms;
  write(rest, `${perSecond(processor.events_per_second)} over the last minute${most}. `
    + `Half of all events take ${milliseconds(latency.p50)} or less, 95 of 100 ${milliseconds(latency.p95)}.`);
  fill(byId("ledger"), processor.ledger, ledgerOf);
  fill(byId("stages"), stagesOf(processor), (stages) => stages.map(stageOf));
}

function ledgerOf(ledger) {
  const balanced = ENDS.reduce((sum, name) => sum + ledger[name], 0) === ledger.received;
  const bar = make("div", { class: "ledger", "aria-hidden": "true" }, ENDS.filter((name) => ledger[name]).map((name) => share(name, ledger)));
  return [
    make("p", { class: "big" }, count(ledger.received), make("small", {}, " received")),
    bar,
    make("dl", { class: "ends" }, ENDS.map((name) =>
      make("div", {}, make("dt", { class: `end ${name}` }, name.replace("_", " ")), make("dd", {}, count(ledger[name]))))),
    make("p", { class: balanced ? "muted small" : "bad-text small" },
      balanced ? "It balances: what was received is the sum of the others." : "It does not balance: what was received is not the sum of the others."),
  ];
}

function share(name, ledger) {
  const part = make("span", { class: `end ${name}` });
  part.style.flexGrow = ledger[name] / ledger.received;
  return part;
}

function stagesOf({ ledger, queue, counters, events, enrichment_cache_hit_ratio: hits }) {
  return [
    { name: "inbox", figure: count(queue.events), text: `waiting, of ${count(queue.max_events)}`, full: queue.events / queue.max_events },
    { name: "decode", figure: count(ledger.rejected), text: "rejected" },
    { name: "order", figure: count(queue.held_for_order), text: `held, ${count(counters.late_events)} late` },
    { name: "deduplicate", figure: count(ledger.duplicate), text: "duplicates" },
    { name: "enrich", figure: count(events.enriched), text: `enriched, ${percent(hits)} from what is kept` },
    { name: "filter", figure: count(ledger.blocked), text: "blocked" },
    { name: "publish", figure: count(counters.published_records), text: `records, ${count(counters.refused_records)} refused`, bad: counters.refused_records > 0 },
    {
      name: "aggregate",
      figure: count(counters.commits),
      text: `commits, ${count(queue.deferred)} of ${count(queue.max_deferred)} deferred`,
      full: queue.deferred / queue.max_deferred,
    },
    {
      name: "dead letters",
      figure: count(counters.dead_letters),
      text: counters.dead_letters ? "see `rulemill dlq ls`" : "kept",
      bad: counters.dead_letters > 0,
    },
  ];
}

function stageOf({ name, figure, text, full, bad }) {
  return make("li", { class: bad ? "stage bad" : "stage" },
    make("span", { class: "name" }, name),
    make("span", { class: "figure" }, figure),
    make("span", { class: "muted small" }, coded(text)),
    full === undefined ? null : meter(full, `${name}: ${percent(full)} full`));
}

function meter(full, label) {
  const bar = make("span", { class: full > 0.8 ? "fill bad" : "fill" });
  bar.style.width = `${Math.min(100, 100 * full)}%`;
  return make("span", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": Math.round(100 * full) }, bar);
}
