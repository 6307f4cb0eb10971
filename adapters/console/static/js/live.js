/** The vehicles of a filter as they change: those are asked for of which the server says that they have. */
import { lines } from "./api.js";
import { ALL } from "./fleet.js";
import { again, looked, pause, waitOf } from "./load.js";
import { follow, followLives } from "./stream.js";

/** A page costs as many points as it may have vehicles, whether there are so many or not. */
const ALL_FIRST = 100;
const CHANGED_FIRST = 25;
/** So many VINs a filter takes. */
const VINS_MAX = 100;
/** So few are asked for as a whole where nobody tells which have changed; of more, those that have told something since. */
const WHOLE_MAX = 200;
/**
 * So often all are asked for again, once for each so many of them: who joins or leaves is told only to a token with
 * `events:read`, and late data only by the subscription. It costs a third of the points that a client has back meanwhile.
 */
const REFRESH_MS = 60_000;
const REFRESHED = 1_000;
/** Cars' clocks and the way of their data differ: so far back it is looked again. */
const OVERLAP_MS = 15_000;

/**
 * Watch vehicles until the signal. Changes are heard of at once, and asked for as soon as `begin` has been called.
 * @param {{filter: object | null, known: () => import("./fleet.js").Row[]}} question which, and those that are known
 * @param {(nodes: object[], asked: (vin: string) => boolean) => void} onChanged asked: of which vehicles there are no others
 * @param {(error: Error | null) => void} onState null: it is followed
 * @param {AbortSignal} signal
 * @returns {() => void} begin
 */
export function watchFleet({ filter, known }, onChanged, onState, signal) {
  let changed = new Set();
  let failures = 0;
  let asking = true;
  let more = false;
  let told = new Set();
  const tell = (nodes, asked) => {
    for (const vin of [...asked ?? [], ...nodes.map((node) => node.vin)]) told?.add(vin);
    if (asked === null) told = null;
    onChanged(nodes, (vin) => asked?.has(vin) ?? true);
  };
  const look = async (vins = []) => {
    changed = changed && vins && new Set([...changed, ...vins]);
    more = asking;
    if (asking) return;
    asking = true;
    const asked = changed;
    changed = new Set();
    try {
      const rows = known();
      const whole = asked === null || (!asked.size && rows.length <= WHOLE_MAX);
      const found = [];
      if (whole) found.push(...await collect({ filter }, signal));
      else if (!asked.size) {
        const newest = rows.reduce((most, { seenMs }) => Math.max(most, seenMs), OVERLAP_MS);
        const lastSeenAfter = new Date(newest - OVERLAP_MS).toISOString();
        found.push(...await collect({ first: CHANGED_FIRST, filter: { ...filter, lastSeenAfter } }, signal));
      }
      const some = [...asked ?? []].filter((vin) => !whole && (filter?.vins?.includes(vin) ?? true));
      for (let begin = 0; begin < some.length; begin += VINS_MAX) {
        const page = some.slice(begin, begin + VINS_MAX);
        found.push(...await collect({ first: page.length, filter: { ...filter, vins: page } }, signal));
      }
      failures = 0;
      onState(null);
      tell(found, whole ? null : asked);
    } catch (error) {
      if (signal.aborted) return;
      changed = asked && changed && new Set([...asked, ...changed]);
      onState(error);
      const wait = waitOf(error, failures);
      failures += 1;
      if (wait !== null) again(wait, () => look(), signal);
    } finally {
      asking = false;
    }
    if (more && !signal.aborted) look();
  };
  const refresh = async () => {
    while (!signal.aborted) {
      await pause(REFRESH_MS * Math.max(1, Math.ceil(known().length / REFRESHED)), signal);
      await looked(signal);
      if (signal.aborted) return;
      told = new Set();
      const found = await collect({ filter }, signal).catch(() => null); // how the server is, the other questions say
      const later = told; // what is told meanwhile is newer
      if (found && later && !signal.aborted) onChanged(found.filter(({ vin }) => !later.has(vin)), (vin) => !later.has(vin));
    }
  };
  follow(null, look, signal);
  followLives(look, signal);
  return () => {
    asking = false;
    if (more) look();
    refresh();
  };
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
