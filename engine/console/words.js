// Figures in words.
//
// In: numbers, times and values of events. Out: text. Rule of the file: what is not known is a dash, never a zero.

export const NOTHING = "–";

/** What to type where the command that a message names is not installed. */
export const COMMAND = "With `tools/demo` alone, type `.venv/bin/python -m engine` in place of `rulemill`, in the same directory.";

const counts = new Intl.NumberFormat("en-GB");
const MOST_CHARS = 120;
const STEPS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];

/** A count, its thousands apart. */
export function count(number) {
  return number === null || number === undefined ? NOTHING : counts.format(number);
}

/** A number of any size, to three digits behind the point. */
export function figure(value) {
  return typeof value === "number" ? new Intl.NumberFormat("en-GB", { maximumFractionDigits: 3 }).format(value) : inJson(value);
}

/** A share of one as a percentage. */
export function percent(share) {
  if (share === null || share === undefined) return NOTHING;
  const rounded = share * 100;
  return `${rounded > 0 && rounded < 10 ? rounded.toFixed(1) : Math.round(rounded)} %`;
}

/** Milliseconds. */
export function milliseconds(ms) {
  if (ms === null || ms === undefined) return NOTHING;
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Events in a second. */
export function perSecond(rate) {
  if (rate === null || rate === undefined) return NOTHING;
  return rate < 10 ? rate.toFixed(1) : count(Math.round(rate));
}

/** How long, in its two largest units. */
export function duration(seconds) {
  const parts = [];
  let left = Math.max(0, Math.round(seconds));
  for (const [size, unit] of STEPS) {
    const number = Math.floor(left / size);
    left -= number * size;
    if (number || (unit === "s" && !parts.length)) parts.push(`${number} ${unit}`);
    else if (parts.length) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** The length of a window or a term. */
export function span(ms) {
  return ms < 1000 ? `${ms} ms` : duration(ms / 1000);
}

/** A time of the engine, as the reader's clock has it; its date where that is another. */
export function time(text) {
  if (!text) return NOTHING;
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString() : at.toLocaleString();
}

/** A value of an event or a rule on one line, text in quotes, shortened where it is long. */
export function inJson(value) {
  const text = value === undefined ? NOTHING : JSON.stringify(value);
  return text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS)}…` : text;
}

/** `1 event`, `2 events`. */
export function several(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
