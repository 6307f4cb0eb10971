/** The vehicles of the fleet page: what is asked of each, and what state that makes. */

/** In the order in which they are drawn: the last ones lie on top. Which it is, a token may not show. */
export const STATES = ["withheld", "parked", "silent", "charging", "driving", "fault"];

/** A sign for each state, so that colour is never the only one. */
export const SIGNS = { driving: "▲", parked: "■", charging: "◆", fault: "✖", silent: "○", withheld: "–" };

/** A car that drives or charges tells something every few seconds; one that is parked may be quiet for a day. */
const SILENT_BUSY_MS = 600_000;
const SILENT_PARKED_MS = 86_400_000;

/** The status of what a token does not show. */
export const HIDDEN = "FORBIDDEN";

export const ROW = `
  id vin brand model lastSeenAt decommissionedAt
  navigation { location { latitude longitude status } heading { value } speed { value status } currentTrip { id } }
  diagnostics { isCharging { value status } stateOfCharge { value status }
    troubleCodes(active: true) { code } warnings(raised: true) { warning } }
`;

export const ALL = `query Fleet($first: Int!, $after: String, $filter: VehicleFilter, $asOf: DateTime, $knownAt: DateTime) {
  vehicles(first: $first, after: $after, filter: $filter, asOf: $asOf, knownAt: $knownAt) {
    edges { node { ${ROW} } } pageInfo { hasNextPage endCursor } } }`;

export const PAGE = `query Page($first: Int!, $after: String, $filter: VehicleFilter, $orderBy: VehicleOrder, $asOf: DateTime, $knownAt: DateTime) {
  vehicles(first: $first, after: $after, filter: $filter, orderBy: $orderBy, asOf: $asOf, knownAt: $knownAt) {
    edges { node { ${ROW} } } pageInfo { hasNextPage endCursor } } }`;

/** The words that a filter can name, with how many vehicles have each. */
export const WORDS = `{ fleet { ${["byBrand", "byModel", "byRegion", "byTroubleCode", "byWarning"].map((name) => `${name} { groups { value vehicles } }`).join(" ")} } }`;

/** Columns that the table can be sorted by: how the API calls them, and what of a row it is. */
const ORDERS = {
  __proto__: null, // names come from addresses
  vehicle: { field: "BRAND", of: (row) => row.brand },
  charge: { field: "STATE_OF_CHARGE", of: (row) => row.charge },
  seen: { field: "LAST_SEEN", of: (row) => row.seenMs || null },
};

const sorting = ({ sort = "" }) => ({ ...ORDERS[sort.replace(/^-/, "")], down: sort.startsWith("-") });

/** The order that an address says: a column, with "-" before it the greatest first; null: as they come. */
export function orderOf(params) {
  const { field, down } = sorting(params);
  return field ? { field, direction: down ? "DESC" : "ASC" } : null;
}

/** Rows in the order that an address says, as the API has it: what is not known comes last. */
export function inOrder(rows, params) {
  const { of, down } = sorting(params);
  if (!of) return rows;
  const rank = (one, other) => (one === other ? 0 : one === null ? 1 : other === null ? -1 : (one < other) === down ? 1 : -1);
  return [...rows].sort((one, other) => rank(of(one), of(other)));
}

/** @typedef {{id: string, vin: string, brand: string, model: string, state: string, seenMs: number, latitude: number|null,
 *   longitude: number|null, heading: number|null, speed: number|null, speedStatus: string, charge: number|null,
 *   chargeStatus: string, placeStatus: string, faultsStatus: string, codes: string[], warnings: string[],
 *   driving: boolean|null, charging: boolean|null, faulty: boolean|null}} Row null: the token does not show it, or it is not known */

/**
 * @param {object} node a vehicle as the API tells it
 * @param {number} nowMs the moment that silence counts from
 * @returns {Row}
 */
export function rowOf(node, nowMs) {
  const { navigation, diagnostics } = node;
  const { isCharging, troubleCodes, warnings } = diagnostics;
  const row = {
    id: node.id,
    vin: node.vin,
    brand: node.brand,
    model: node.model ?? "",
    seenMs: node.lastSeenAt ? Date.parse(node.lastSeenAt) : 0,
    goneAt: node.decommissionedAt,
    latitude: navigation.location.latitude,
    longitude: navigation.location.longitude,
    heading: navigation.heading.value,
    speed: navigation.speed.value,
    speedStatus: navigation.speed.status,
    charge: diagnostics.stateOfCharge.value,
    chargeStatus: diagnostics.stateOfCharge.status,
    placeStatus: navigation.location.status,
    faultsStatus: troubleCodes === null ? HIDDEN : "OK",
    codes: (troubleCodes ?? []).map((each) => each.code),
    warnings: (warnings ?? []).map((each) => each.warning),
    toldMs: performance.now(),
    driving: navigation.location.status === HIDDEN ? null : Boolean(navigation.currentTrip),
    charging: isCharging.status === HIDDEN ? null : isCharging.value === true,
    faulty: troubleCodes === null ? null : troubleCodes.length + warnings.length > 0,
  };
  return { ...row, state: stateOf(row, nowMs) };
}

/** The state of a vehicle, as far as the token shows; see `docs/console.md`. */
export function stateOf({ seenMs, driving, charging, faulty }, nowMs) {
  const quietMs = nowMs - seenMs;
  if (quietMs > (driving || charging ? SILENT_BUSY_MS : SILENT_PARKED_MS)) return "silent";
  if (faulty) return "fault";
  if (charging) return "charging";
  if (driving) return "driving";
  return [driving, charging, faulty].includes(null) ? "withheld" : "parked";
}

/** What of a row tells that a vehicle is in a state, and the scopes that this needs. */
const TOLD_BY = { parked: ["driving", "charging", "faulty"], charging: ["charging"], driving: ["driving"], fault: ["faulty"] };
export const SCOPES = { parked: "diagnostics:read navigation:read", charging: "diagnostics:read", driving: "navigation:read", fault: "diagnostics:read" };

/** How many vehicles there are of each state; null: the token does not show it. @returns {Record<string, number | null>} */
export function countsOf(rows) {
  const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
  for (const row of rows) counts[row.state] += 1;
  for (const state of Object.keys(TOLD_BY)) {
    if (!counts[state] && rows.some((row) => TOLD_BY[state].some((name) => row[name] === null))) counts[state] = null;
  }
  return counts;
}

/**
 * The filter that the parameters of an address say; null: all.
 * @param {Record<string, string>} params
 */
export function filterOf(params) {
  const filter = {};
  const list = (text) => text.split(",").map((each) => each.trim()).filter(Boolean);
  if (params.brand) filter.brands = list(params.brand);
  if (params.model) filter.models = list(params.model);
  if (params.vin) filter.vins = list(params.vin.toUpperCase());
  if (params.region) filter.regions = [params.region];
  if (params.warning) filter.warnings = list(params.warning);
  if (params.code === "*") filter.hasTroubleCode = true;
  else if (params.code) filter.troubleCodes = list(params.code.toUpperCase());
  if (params.least || params.most) {
    filter.stateOfCharge = { least: percent(params.least, 0), most: percent(params.most, 100) };
  }
  const box = (params.box ?? "").split(",").map(Number);
  if (box.length === 4 && box.every(Number.isFinite)) {
    const [south, west, north, east] = box;
    filter.within = { south, west, north, east };
  }
  return Object.keys(filter).length ? filter : null;
}

function percent(text, otherwise) {
  const value = Number.parseFloat(text);
  return Number.isFinite(value) ? Math.min(100, Math.max(0, value)) : otherwise;
}
