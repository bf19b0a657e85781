// Events per second, as they were.
//
// In: the counts of one answer after the other. Out: rates, and a line of them. Rule of the file: what lies between two processes, or in a pause of
// the page, is no rate.

const KEPT = 120;
const LONGEST_GAP_S = 10;
const WIDTH = 240;
const HEIGHT = 48;
const SVG = "http://www.w3.org/2000/svg";

/** The rates of the last answers. */
export class Rates {
  #last = null;
  values = [];

  /** Note that the engine had counted so many at that age. */
  note(counted, ageSeconds) {
    const last = this.#last;
    this.#last = { counted, ageSeconds };
    if (last === null) return;
    const passed = ageSeconds - last.ageSeconds;
    if (passed <= 0 || passed > LONGEST_GAP_S || counted < last.counted) {
      this.values = [];
      return;
    }
    this.values = [...this.values, (counted - last.counted) / passed].slice(-KEPT);
  }

  /** The newest rate; null before there are two answers. */
  get now() {
    return this.values.at(-1) ?? null;
  }
}

/** A drawing for rates: `node` is the picture, `draw(values)` changes it. */
export function sparkline() {
  const node = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "sparkline", role: "img" });
  const area = svg("path", { class: "area" });
  const line = svg("path", { class: "line" });
  node.append(area, line);
  return {
    node,
    draw(values) {
      const points = pointsOf(values);
      const path = points.length ? `M${points.join("L")}` : "";
      line.setAttribute("d", path);
      area.setAttribute("d", path && `${path}L${WIDTH},${HEIGHT}L${points[0].split(",")[0]},${HEIGHT}Z`);
    },
  };
}

function pointsOf(values) {
  const most = Math.max(1, ...values) * 1.1;
  const step = WIDTH / (KEPT - 1);
  const first = WIDTH - (values.length - 1) * step;
  return values.map((value, index) => `${(first + index * step).toFixed(1)},${(HEIGHT - (value / most) * HEIGHT).toFixed(1)}`);
}

function svg(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
