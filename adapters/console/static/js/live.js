/**
 * The vehicles of a filter as they change. The newest moment that any of them has told is remembered; when there is news,
 * those are asked for that have told something since.
 */
import { lines } from "./api.js";
import { ALL } from "./fleet.js";
import { again, waitOf } from "./load.js";
import { follow } from "./stream.js";

/** A page costs as many points as it may have vehicles, whether there are so many or not. */
const ALL_FIRST = 100;
const CHANGED_FIRST = 25;
/** So few that fit a filter are asked for as a whole, since of those that have changed nobody tells which fit no more. */
const WHOLE_MAX = 200;
/** Cars' clocks and the way of their data differ: so far back it is looked again. */
const OVERLAP_MS = 15_000;

/**
 * Watch vehicles until the signal.
 * @param {{filter: object | null, sinceMs: number, known: () => number}} question which, the newest moment that is known already,
 *   and how many vehicles are
 * @param {(nodes: object[], whole: boolean) => void} onChanged whole: there are no others
 * @param {(error: Error | null) => void} onState null: it is followed
 * @param {AbortSignal} signal
 */
export function watchFleet({ filter, sinceMs, known }, onChanged, onState, signal) {
  let newest = sinceMs;
  let failures = 0;
  let asking = false;
  let more = false;
  const look = async () => {
    if (asking) {
      more = true;
      return;
    }
    asking = true;
    more = false;
    try {
      const since = new Date(Math.max(0, newest - OVERLAP_MS)).toISOString();
      const whole = filter !== null && known() <= WHOLE_MAX;
      const question = whole ? { filter } : { first: CHANGED_FIRST, filter: { ...filter, lastSeenAfter: since } };
      const found = await collect(question, signal);
      for (const node of found) newest = Math.max(newest, Date.parse(node.lastSeenAt ?? 0));
      failures = 0;
      onState(null);
      if (found.length || whole) onChanged(found, whole);
    } catch (error) {
      if (signal.aborted) return;
      onState(error);
      const wait = waitOf(error, failures);
      failures += 1;
      if (wait !== null) again(wait, look, signal);
    } finally {
      asking = false;
    }
    if (more && !signal.aborted) look();
  };
  follow(null, look, signal);
}

/**
 * All vehicles of a question; `onSome` hears of them as they come.
 * @param {object} variables
 * @param {AbortSignal} signal
 * @param {(nodes: object[]) => void} [onSome]
 */
export async function collect(variables, signal, onSome = () => {}) {
  const found = [];
  for await (const part of lines(ALL, { first: ALL_FIRST, after: null, ...variables }, signal)) {
    const nodes = part.filter((line) => line.node).map((line) => line.node);
    found.push(...nodes);
    if (nodes.length) onSome(nodes);
  }
  return found;
}
