// The console as a browser runs it, without one: the page and its scripts as the engine serves them, in a document of jsdom.
//
// In: the engine's address, and a command a line on standard input. Out: an answer a line.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { JSDOM, VirtualConsole } from "jsdom";

const url = process.argv[2];
const problems = [];
const tell = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const served = async (path) => (await fetch(new URL(path, url))).text();

/** Lay the module and those that it imports side by side; they are served in one place. */
async function fetchModules(path, folder, known = new Set()) {
  if (known.has(path)) return;
  known.add(path);
  const text = await served(path);
  writeFileSync(join(folder, basename(path)), text);
  for (const [, name] of text.matchAll(/^import .* from "(.+)";$/gm)) await fetchModules(new URL(name, new URL(path, url)).pathname, folder, known);
}

async function open() {
  const virtualConsole = new VirtualConsole();
  virtualConsole.on("jsdomError", (error) => problems.push(error.message));
  const page = new JSDOM(await served("/"), { url, pretendToBeVisual: true, virtualConsole });
  const { window } = page;
  const fetchOutside = globalThis.fetch;
  console.error = (...words) => problems.push(words.map((word) => word?.stack ?? String(word)).join(" "));
  process.on("unhandledRejection", (error) => problems.push(error.stack));
  Object.assign(globalThis, { window, document: window.document, location: window.location, sessionStorage: window.sessionStorage });
  globalThis.fetch = (path, options) => fetchOutside(new URL(path, window.location.href), options);
  const folder = mkdtempSync(join(tmpdir(), "console-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  const main = new URL(window.document.querySelector("script[type=module]").src).pathname;
  await fetchModules(main, folder);
  await import(pathToFileURL(join(folder, basename(main))));
  return window;
}

function obey(window, { act, selector, value }) {
  const found = window.document.querySelectorAll(selector);
  switch (act) {
    case "texts":
      return [...found].map((element) => element.textContent);
    case "visible":
      return [...found].some((element) => !element.closest("[hidden]"));
    case "click":
      return found[0].click();
    case "fill":
      found[0].value = value;
      found[0].dispatchEvent(new window.Event("change", { bubbles: true }));
      return null;
    case "kept":
      return Object.values(window.sessionStorage).concat(Object.values(window.localStorage), window.document.cookie);
    case "markup":
      return window.document.documentElement.outerHTML;
    case "problems":
      return problems;
    default:
      throw new Error(`there is no act ${act}`);
  }
}

const window = await open();
tell("open");
for await (const line of createInterface({ input: process.stdin })) tell(obey(window, JSON.parse(line)) ?? null);
process.exit(0);
