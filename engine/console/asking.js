// Asking the engine.
//
// In: a path. Out: what it answers. Rule of the file: a token is kept for this tab alone, goes to this engine alone, and stands in no address.

const TIMEOUT_MS = 10_000;
const KEPT_AS = "rulemill-token";

/** The engine did not answer. */
export class NoAnswer extends Error {}

/** The engine answered that it will not; `status`, `code` and what it says. `content` is the whole answer. */
export class Refused extends Error {
  constructor(status, content) {
    super(content.detail ?? `the engine answers with status ${status}`);
    this.status = status;
    this.code = content.code ?? "";
    this.content = content;
  }

  /** Whether another token is needed. */
  get wantsToken() {
    return this.status === 401 || this.status === 403;
  }
}

/** Whether there is a token. */
export function hasToken() {
  return sessionStorage.getItem(KEPT_AS) !== null;
}

/** Send this token from now on; an empty one is forgotten. */
export function useToken(token) {
  if (token) sessionStorage.setItem(KEPT_AS, token);
  else sessionStorage.removeItem(KEPT_AS);
}

/** What `GET path` answers. Throws NoAnswer or Refused. */
export function ask(path) {
  return request("GET", path);
}

/** What `POST path` answers; `body` is JSON as text. Throws NoAnswer or Refused. */
export function post(path, body = "") {
  return request("POST", path, body);
}

async function request(method, path, body) {
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem(KEPT_AS);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const [answer, content] = await answered(path, { method, headers, body: body || undefined, cache: "no-store" });
  if (!answer.ok) throw new Refused(answer.status, content);
  return content;
}

async function answered(path, options) {
  try {
    const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return [answer, await contentOf(answer)];
  } catch (error) {
    if (error instanceof NoAnswer) throw error;
    throw new NoAnswer(error.name === "TimeoutError" ? `there was none within ${TIMEOUT_MS / 1000} s` : "there is no connection");
  }
}

async function contentOf(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    if (answer.ok) throw new NoAnswer("what answers in its place is something else");
    return {};
  }
}
