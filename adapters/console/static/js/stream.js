/**
 * Hears from the server that vehicles have changed: one stream for all parts of a page that want to hear the same. Where
 * there are no streams, a clock takes their place.
 */
import { ask, passing, refusal, send } from "./api.js";
import { looked, pause } from "./load.js";

/** What their telemetry changes; a clock takes its place. */
const CHANGES = {
  document: `subscription Changes($after: String, $filter: EventFilter) {
    vehicleChanged(after: $after, filter: $filter, perSecond: 1) { cursor changes { vehicle { vin } } } }`,
  newsOf: ({ vehicleChanged: { cursor, changes: all } }) => ({ cursor, vehicles: all.map(({ vehicle }) => vehicle) }),
  clocked: true,
};
/** Who joins the fleet or leaves it, which changes nothing else; nothing takes its place. */
const LIVES = {
  document: `subscription Lives($after: String, $filter: EventFilter) { events(after: $after, filter: $filter) { cursor node { vehicle { vin } } } }`,
  newsOf: ({ events: { cursor, node } }) => ({ cursor, vehicles: [node.vehicle] }),
  clocked: false,
};
/** There is no such stream for who asks, and there will be none. */
const NEVER = ["FORBIDDEN", "GRAPHQL_VALIDATION_FAILED", "NO_STREAM"];
const LIFE = { types: ["vehicle.registered.v1", "vehicle.decommissioned.v1"] };
const EVERY_MS = 3_000;
const AGAIN_MS = [1_000, 2_000, 5_000, 10_000];
/** Changes come in crowds: so long is waited for the rest of one, and so long until the next is heard of. */
const GATHER_MS = 200;
const REST_MS = 2_000;

/** @type {Map<string, {listeners: Set<(vins: string[] | null) => void>, stop: AbortController}>} */
const open = new Map();

/**
 * Call when vehicles have changed, or may have, until the signal; not while nobody looks at the page. It is told their VINs;
 * none: nobody knows which; null: any may have, and it is not told again.
 * @param {object | null} filter which, as the subscription has it; null: all
 * @param {(vins: string[] | null) => void} onChanged
 * @param {AbortSignal} signal
 */
export const follow = (filter, onChanged, signal) => join(CHANGES, filter, onChanged, signal);

/** Call, as `follow` does, when vehicles have joined the fleet or left it; never where the token may not hear of it. */
export const followLives = (onChanged, signal) => join(LIVES, LIFE, onChanged, signal);

function join(news, filter, onChanged, signal) {
  if (signal.aborted) return;
  const key = JSON.stringify(filter);
  let stream = open.get(key);
  if (!stream) {
    stream = { listeners: new Set(), stop: new AbortController() };
    open.set(key, stream);
    listen(news, filter, stream);
  }
  stream.listeners.add(onChanged);
  signal.addEventListener("abort", () => {
    stream.listeners.delete(onChanged);
    if (stream.listeners.size) return;
    open.delete(key);
    stream.stop.abort();
  });
}

async function listen(news, filter, { listeners, stop: { signal } }) {
  const tell = gathered((vins) => listeners.forEach((listener) => listener(vins)));
  let after = null;
  let failures = 0;
  while (!signal.aborted) {
    await looked(signal);
    if (signal.aborted) return;
    try {
      after ??= (await ask("{ status { cursor } }", {}, signal)).status.cursor;
      for await (const data of messages(news.document, { after, filter }, signal)) {
        const { cursor, vehicles } = news.newsOf(data);
        after = cursor;
        failures = 0;
        tell(vehicles.flatMap((vehicle) => vehicle?.vin ?? []));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (NEVER.includes(error.code)) return news.clocked ? clock(tell, signal) : undefined;
      if (error.code === "CONNECTION_LOST") tell([]);
      else {
        after = null;
        tell(null); // something may have been missed
      }
    }
    await pause(AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)], signal);
    failures += 1;
  }
}

/** @yields {object} the data of each message of a stream, until it ends or the page is hidden */
async function* messages(query, variables, signal) {
  const hidden = new AbortController();
  const hide = () => document.hidden && hidden.abort();
  document.addEventListener("visibilitychange", hide);
  try {
    const response = await send(query, variables, "text/event-stream", AbortSignal.any([signal, hidden.signal]));
    if (!response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const refused = await refusal(response);
      throw passing(refused) ? refused : Object.assign(refused, { code: "NO_STREAM" });
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n").trim();
        const body = data ? JSON.parse(data) : {};
        if (body.errors) throw Object.assign(new Error(body.errors[0].message), { code: body.errors[0].extensions?.code });
        if (body.data) yield body.data;
      }
    }
  } catch (error) {
    if (hidden.signal.aborted && !signal.aborted) return;
    throw error;
  } finally {
    document.removeEventListener("visibilitychange", hide);
  }
}

async function clock(tell, signal) {
  while (!signal.aborted) {
    await pause(EVERY_MS, signal);
    await looked(signal);
    if (!signal.aborted) tell([]);
  }
}

function gathered(tell) {
  let timer = null;
  let toldMs = -REST_MS;
  let vins = [];
  return (more) => {
    vins = vins && more && [...new Set([...vins, ...more])];
    timer ??= setTimeout(() => {
      timer = null;
      toldMs = performance.now();
      tell(vins);
      vins = [];
    }, Math.max(GATHER_MS, toldMs + REST_MS - performance.now()));
  };
}
