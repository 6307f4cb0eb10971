/** Asks the public GraphQL API, with the token of whoever looks. */
import { ofTab } from "./storage.js";
import { store } from "./store.js";

const TOKEN = "fleettwin.token";
const PATIENCE_MS = 30_000;
const RETRY_AFTER_S = 5;
/** What servers between here and there say while ours is away. */
const AWAY = [502, 503, 504];

/** "ok": the server answers; "lost": it does not; "closed": it wants a token that is good. */
export const connection = store("ok");

/** What went wrong, with what to do about it. */
export class ApiError extends Error {
  constructor(code, message, remedy = "", retryAfterS = null) {
    super(message);
    Object.assign(this, { code, remedy, retryAfterS });
  }
}

export const token = {
  get: () => ofTab.getItem(TOKEN),
  /** @param {string | null} value never kept beyond this tab, never part of an address */
  set(value) {
    if (value) ofTab.setItem(TOKEN, value);
    else ofTab.removeItem(TOKEN);
    connection.set("ok");
  },
};

/**
 * Send a document; raises ApiError where there is no answer at all.
 * @returns {Promise<Response>}
 */
export async function send(query, variables, accept, signal) {
  const held = token.get();
  const headers = { accept, "content-type": "application/json", ...(held && { authorization: `Bearer ${held}` }) };
  const body = JSON.stringify({ query, variables });
  let response;
  try {
    response = await fetch("/graphql", { method: "POST", headers, body, signal, cache: "no-store", credentials: "omit" });
  } catch (error) {
    throw lost(error);
  }
  connection.set(response.status === 401 ? "closed" : "ok");
  return response;
}

/** What it means that there is no answer, or only a part of one. */
function lost(error) {
  if (error.name === "AbortError" || error instanceof ApiError) return error;
  connection.set("lost");
  return new ApiError("CONNECTION_LOST", error.name === "TimeoutError" ? "timeout" : "no connection");
}

/** What an answer holds; nothing, where it is not of our server. */
async function bodyOf(response) {
  let text;
  try {
    text = await response.text();
  } catch (error) {
    throw lost(error);
  }
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Whether there was no answer at all. */
export const isLost = ({ code }) => code === "CONNECTION_LOST";

/** Whether it may go well when it is tried again. */
export const passing = (error) => error.retryAfterS > 0 || isLost(error) || error.code === "SERVICE_UNAVAILABLE";

/** @returns {ApiError} what an answer without data says */
export async function refusal(response) {
  return failure(await bodyOf(response), response);
}

function failure(body, { status, headers }) {
  const [first] = body?.errors ?? [];
  const { code = AWAY.includes(status) ? "SERVICE_UNAVAILABLE" : `HTTP_${status}`, remedy = "" } = first?.extensions ?? {};
  const retryAfterS = Number(headers.get("retry-after")) || RETRY_AFTER_S;
  return new ApiError(code, first?.message ?? `HTTP ${status}`, remedy, code === "THROTTLED" ? retryAfterS : null);
}

/**
 * The data that answer a document, and what is `withheld` of them. Raises ApiError where there are none, or where an error is one of the whole.
 * @param {string} query
 * @param {object} [variables]
 * @param {AbortSignal} [signal]
 */
export async function ask(query, variables = {}, signal = undefined) {
  const limit = AbortSignal.timeout(PATIENCE_MS);
  const response = await send(query, variables, "application/json", signal ? AbortSignal.any([signal, limit]) : limit);
  const body = await bodyOf(response);
  if (!body?.data || body.errors?.length) throw failure(body, response);
  return { ...body.data, withheld: body.extensions?.withheld ?? [] };
}

/**
 * The lines of an answer that has all pages of a list, as they come. Raises ApiError where they are not all.
 * @yields {object}
 */
export async function* lines(query, variables, signal) {
  const response = await send(query, variables, "application/x-ndjson", signal);
  if (!response.ok || !response.headers.get("content-type")?.startsWith("application/x-ndjson")) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let last = null;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const texts = (rest + value).split("\n");
      rest = texts.pop();
      const parts = texts.map((text) => JSON.parse(text));
      last = parts.at(-1) ?? last;
      yield parts;
    }
    if (!last?.end) throw last?.errors ? failure(last, response) : new TypeError("it was cut off");
  } catch (error) {
    throw lost(error);
  } finally {
    reader.cancel().catch(() => {});
  }
}
