// Elements of the page: made, and changed only where something is another.
//
// In: names, attributes and text. Out: nodes. Rule of the file: text becomes text and never markup, and what did not change is not touched,
// so that a selection, the focus and what was unfolded stay as they are while figures come in.

/** A new element. A property of the form `onclick` is a listener, one that is null or false is left out; children are nodes or text. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Put this text into the element. */
export function write(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Show the element, or hide it. */
export function show(element, shown = true) {
  element.hidden = !shown;
}

/** A word in a frame; `tone` is good, warn, bad or plain. */
export function badge(text, tone = "plain") {
  return make("span", { class: `badge ${tone}` }, text);
}

/** A message as nodes: what stands in backticks is code. */
export function coded(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

const drawn = new WeakMap();

/** Fill the element with what `build` makes of `content`, unless it shows that already. */
export function fill(element, content, build) {
  const mark = JSON.stringify(content);
  if (drawn.get(element) === mark) return;
  drawn.set(element, mark);
  element.replaceChildren(...[build(content)].flat().filter((node) => node !== null));
}

/** A table with a row for each of several named things. */
export class Table {
  #columns;
  #body;
  #rows = new Map();
  #empty;

  /** `columns`: `{title, cell, number}`; `cell(thing, name)` is text, or anything that `draw(content)` makes nodes of. */
  constructor(parent, columns, label, empty) {
    this.#columns = columns;
    this.#body = make("tbody", { role: "rowgroup" });
    this.#empty = make("p", { class: "muted" }, empty);
    const heads = columns.map(({ title, number }) =>
      make("th", { role: "columnheader", scope: "col", class: number ? "number" : null }, title));
    const head = make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, heads));
    const table = make("table", { role: "table", "aria-label": label }, head, this.#body);
    this.table = make("div", { class: "scrolls", role: "region", "aria-label": label, tabindex: "0" }, table);
    show(this.table, false);
    show(this.#empty, false);
    parent.replaceChildren(this.table, this.#empty);
  }

  /** Show these things, by name, in their order. */
  show(things) {
    const names = Object.keys(things);
    show(this.table, names.length > 0);
    show(this.#empty, names.length === 0);
    for (const name of this.#rows.keys()) {
      if (!(name in things)) {
        this.#rows.get(name).row.remove();
        this.#rows.delete(name);
      }
    }
    names.forEach((name, index) => {
      if (!this.#rows.has(name)) this.#rows.set(name, this.#newRow());
      const { row, cells } = this.#rows.get(name);
      if (this.#body.children[index] !== row) this.#body.insertBefore(row, this.#body.children[index] ?? null);
      this.#columns.forEach(({ cell, draw }, column) => {
        const content = cell(things[name], name);
        if (draw) fill(cells[column], content, draw);
        else write(cells[column], content);
      });
    });
  }

  #newRow() {
    const cells = this.#columns.map(({ title, number }, index) =>
      make(index ? "td" : "th", {
        role: index ? "cell" : "rowheader",
        scope: index ? null : "row",
        class: number ? "number" : null,
        "data-title": title,
      }));
    return { row: make("tr", { role: "row" }, cells), cells };
  }
}
