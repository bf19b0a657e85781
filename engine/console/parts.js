// What the rules' parts have done: filters, aggregations, enrichment sources.
//
// In: what `/processor/filters`, `/processor/aggregations` and `/processor/enrichment` answer. Out: a table each.

import { badge, byId, make, Table } from "./elements.js";
import { count, inJson, milliseconds, percent, span, time } from "./words.js";

const MODES = { enforce: "good", shadow: "warn", off: "plain" };
const BREAKERS = { closed: "good", half_open: "warn", open: "bad" };

const filters = new Table(byId("filters-table"), [
  { title: "Filter", cell: (rule, name) => [name, rule.description, rule.news], draw: named },
  { title: "Mode", cell: (rule) => [rule.mode, rule.rollout], draw: modeOf },
  { title: "Does", cell: (rule) => rule.actions, draw: (actions) => make("span", { class: "actions" }, actions.map((action) => make("code", {}, actionText(action)))) },
  { title: "Matched", number: true, cell: (rule) => count(rule.matched) },
  { title: "Share", cell: (rule) => [rule.match_rate], draw: shareOf },
  { title: "Looked at", number: true, cell: (rule) => count(rule.evaluated) },
  { title: "Not acted on", number: true, cell: (rule) => [rule.would_have_matched, rule.samples], draw: heldBack },
  { title: "Unknown", number: true, cell: (rule) => count(rule.unknown) },
  { title: "Errors", number: true, cell: (rule) => rule.errors, draw: errorsOf },
  { title: "Newest match", number: true, cell: (rule) => time(rule.last_match) },
], "Filters, in the order they run", "The rules have no filters.");

const aggregations = new Table(byId("aggregations-table"), [
  { title: "Aggregation", cell: (rule, name) => [name, rule.description, rule.news], draw: named },
  { title: "Window", cell: ({ window }) => (window.kind === "tumbling" ? span(window.size_ms) : `${span(window.size_ms)} every ${span(window.every_ms)}`) },
  { title: "Key", cell: (rule) => rule.key.join(", ") || "none" },
  { title: "Live groups", number: true, cell: (rule) => count(rule.live_groups) },
  { title: "Keys", number: true, cell: (rule) => `${count(rule.live_keys)} of ${count(rule.max_keys)}` },
  { title: "Events", number: true, cell: (rule) => count(rule.events) },
  { title: "Late", number: true, cell: (rule) => count(rule.late) },
  { title: "Unkeyed", number: true, cell: (rule) => count(rule.unkeyed) },
  { title: "Overflow", number: true, cell: (rule) => rule.overflow, draw: errorsOf },
  { title: "Errors", number: true, cell: (rule) => rule.errors, draw: errorsOf },
], "Aggregations", "The rules have no aggregations.");

const sources = new Table(byId("sources-table"), [
  { title: "Source", cell: (source, name) => [name, `from ${source.from.join(", then ")}`, ""], draw: named },
  { title: "Breaker", cell: (source) => source.breaker, draw: (breaker) => badge(breaker.replace("_", " "), BREAKERS[breaker]) },
  { title: "Look-ups", number: true, cell: (source) => count(source.lookups) },
  { title: "Hits", cell: (source) => [source.hit_ratio], draw: shareOf },
  { title: "Well", cell: (source) => [source.success_rate], draw: shareOf },
  { title: "Requests", number: true, cell: (source) => count(source.requests) },
  { title: "Errors", number: true, cell: (source) => source.errors, draw: errorsOf },
  { title: "Timed out", number: true, cell: (source) => source.timeouts, draw: errorsOf },
  { title: "Stale", number: true, cell: (source) => count(source.stale) },
  { title: "Kept", number: true, cell: (source) => count(source.cache_entries) },
  { title: "95 of 100 within", number: true, cell: (source) => milliseconds(source.latency_ms.p95) },
], "Enrichment sources", "The rules look nothing up.");

/** Show the filters; `news` says of some by name what became of them lately. */
export function showFilters(answer, news = {}) {
  filters.show(withNews(answer.filters, news));
}

/** Show the aggregations; `news` as for filters. */
export function showAggregations(answer, news = {}) {
  aggregations.show(withNews(answer.aggregations, news));
}

/** Show the enrichment sources. */
export function showSources(answer) {
  sources.show(answer.sources);
}

function withNews(things, news) {
  return Object.fromEntries(Object.entries(things).map(([name, thing]) => [name, { ...thing, news: news[name] ?? "" }]));
}

function named([name, description, news]) {
  return [
    make("span", { class: "name" }, name),
    news ? badge(news, "good") : null,
    description ? make("span", { class: "muted small description" }, description) : null,
  ];
}

function modeOf([mode, rollout]) {
  const share = rollout === null ? [] : [make("span", { class: "muted small" }, ` ${rollout.percent} % by ${rollout.by}`)];
  return [badge(mode, MODES[mode]), ...share];
}

function actionText(action) {
  const [[verb, content]] = Object.entries(action);
  return [verb, ...Object.values(content).filter((word) => word !== null)].join(" ");
}

function shareOf([share]) {
  const bar = make("span", { class: "fill" });
  bar.style.width = `${100 * (share ?? 0)}%`;
  return [make("span", { class: "share" }, percent(share)), make("span", { class: "meter", "aria-hidden": "true" }, bar)];
}

function heldBack([matches, samples]) {
  if (!samples.length) return count(matches);
  return make("details", {}, make("summary", {}, count(matches)),
    make("ul", { class: "samples" }, samples.map((sample) => make("li", {}, make("code", {}, inJson(sample))))));
}

function errorsOf(errors) {
  return errors ? badge(count(errors), "bad") : count(errors);
}
