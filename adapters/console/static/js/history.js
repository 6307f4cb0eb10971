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
  "vehicle.media_volume_changed.v1": { volume_percent: "Vehicle.Cabin.Infotainment.Media.Volume" },
};
const OF_TRACK = { speed_kmh: "Vehicle.Speed", heading_deg: "Vehicle.CurrentLocation.Heading", altitude_m: "Vehicle.CurrentLocation.Altitude",
  latitude_deg: "Vehicle.CurrentLocation.Latitude", longitude_deg: "Vehicle.CurrentLocation.Longitude" };
const TYPES = ["vehicle.signals_sampled.v1", "vehicle.track_extended.v1", "vehicle.late_samples_recorded.v1", ...Object.keys(TOLD)];

/**
 * The newest points of a signal in order of time, and whether there are older ones.
 * @returns {Promise<{points: [number, number][], more: boolean}>} seconds since 1970 and value
 */
export async function signalHistory(id, path, when, signal) {
  const points = new Map();
  let after = null;
  let more = true;
  for (let page = 0; page < PAGES_MAX && more; page += 1) {
    const variables = { id, asOf: when.asOf, knownAt: when.knownAt, first: PAGE, after, types: TYPES, order: "NEWEST_FIRST" };
    const { vehicle } = await ask(EVENTS, variables, signal);
    if (!vehicle?.events) break;
    for (const { node } of vehicle.events.edges) pointsOf(node, path, points);
    more = vehicle.events.pageInfo.hasNextPage;
    after = vehicle.events.pageInfo.endCursor;
  }
  return { points: [...points.entries()].sort((a, b) => a[0] - b[0]), more };
}

function pointsOf({ type, data, capturedAt }, path, into) {
  const add = (us, value) => {
    const number = typeof value === "boolean" ? Number(value) : value;
    if (typeof number === "number") into.set(Number(us) / 1e6, number);
  };
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
