/** What a signal was over time, from the events that told it. */
import { ask } from "./api.js";
import { EVENTS } from "./twin.js";

const PAGE = 100;
const PAGES_MAX = 10;
/** Nothing for longer than this is a gap: so long a value stays good at most. */
export const GAP_S = 600;

/** Events that tell signals in fields of their own, and which. */
const TOLD = {
  "vehicle.odometer_advanced.v1": { odometer_m: "Vehicle.TraveledDistance" },
  "vehicle.media_source_selected.v1": { source: "Vehicle.Cabin.Infotainment.Media.Played.Source" },
  "vehicle.media_track_started.v1": { title: "Vehicle.Cabin.Infotainment.Media.Played.Track" },
  "vehicle.media_playback_changed.v1": { state: "Vehicle.Cabin.Infotainment.Media.Action" },
  "vehicle.destination_set.v1": { latitude_deg: "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Latitude", longitude_deg: "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Longitude" },
  "vehicle.media_volume_changed.v1": { volume_percent: "Vehicle.Cabin.Infotainment.Media.Volume" },
};
const OF_TRACK = { speed_kmh: "Vehicle.Speed", heading_deg: "Vehicle.CurrentLocation.Heading", altitude_m: "Vehicle.CurrentLocation.Altitude",
  latitude_deg: "Vehicle.CurrentLocation.Latitude", longitude_deg: "Vehicle.CurrentLocation.Longitude" };
const TYPES = ["vehicle.signals_sampled.v1", "vehicle.track_extended.v1", "vehicle.late_samples_recorded.v1", ...Object.keys(TOLD)];

/**
 * The newest points of a signal in order of time, whether there are older ones, and why some may be missing.
 * @returns {Promise<{points: [number, number | string | boolean][], more: boolean, scope: string | null, withheld: string | null}>} seconds since
 *   1970 and value; the scope without which no events are shown; what the server says of those that it shows in part
 */
export async function signalHistory(id, path, when, signal) {
  const points = new Map();
  let after = null;
  let more = true;
  let scope = null;
  let withheld = null;
  for (let page = 0; page < PAGES_MAX && more; page += 1) {
    const variables = { id, asOf: when.asOf, knownAt: when.knownAt, first: PAGE, after, types: TYPES, order: "NEWEST_FIRST" };
    const { vehicle } = await ask(EVENTS, variables, signal);
    if (vehicle && !vehicle.events) scope = "events:read";
    if (!vehicle?.events) break;
    for (const { node } of vehicle.events.edges) {
      pointsOf(node, path, points);
      withheld ??= node.withheld;
    }
    more = vehicle.events.pageInfo.hasNextPage;
    after = vehicle.events.pageInfo.endCursor;
  }
  return { points: [...points.entries()].sort((a, b) => a[0] - b[0]), more, scope, withheld };
}

function pointsOf({ type, data, capturedAt }, path, into) {
  const add = (us, value) => ["number", "string", "boolean"].includes(typeof value) && into.set(Number(us) / 1e6, value);
  (data.path ?? []).forEach((each, index) => each === path && (data.quality?.[index] ?? 0) === 0 && add(data.sampled_at[index], data.value[index]));
  for (const [field, told] of Object.entries(TOLD[type] ?? {})) if (told === path && field in data) add(Date.parse(capturedAt) * 1000, data[field]);
  for (const [field, told] of Object.entries(OF_TRACK)) {
    if (told === path) (data[field] ?? []).forEach((value, index) => value != null && add(data.fix_captured_at[index], value));
  }
}

/** Columns for a plot: where nothing is known for a while, there is an empty value between. */
export function withGaps(points) {
  const [times, values] = [[], []];
  points.forEach(([at, value], index) => {
    if (index && at - points[index - 1][0] > GAP_S) {
      times.push(points[index - 1][0] + 1);
      values.push(null);
    }
    times.push(at);
    values.push(value);
  });
  return [times, values];
}

/**
 * Stretches of the same value; where nothing is known for a while is a stretch of null. The last value has no end yet.
 * @returns {{value: number | string | boolean | null, from: number, until: number | null}[]} in order of time, seconds since 1970
 */
export function stretches(points) {
  const found = [];
  points.forEach(([at, value], index) => {
    const before = points[index - 1]?.[0] ?? at;
    const last = found.at(-1);
    const gap = at - before > GAP_S;
    if (last && !gap && last.value === value) return;
    if (last) last.until = gap ? before : at;
    if (gap) found.push({ value: null, from: before, until: at });
    found.push({ value, from: at, until: null });
  });
  return found;
}
