/** What is asked of one vehicle. */
import { ROW } from "./fleet.js";

const ENVELOPE = "path unit status reason capturedAt receivedAt";
const FRAGMENTS = {
  F: `on FloatValue { ${ENVELOPE} value }`,
  S: `on StringValue { ${ENVELOPE} value }`,
  B: `on BooleanValue { ${ENVELOPE} value }`,
  T: "on Trip { id startedAt endedAt ended endReason distanceM durationS energyKwh receivedAt eventId }",
  P: "on Track { points { capturedAt latitude longitude speed } }",
};
/** A document with the fragments that it uses, and no others: GraphQL refuses those that are not used. */
function complete(document) {
  const used = Object.entries(FRAGMENTS).filter(([name]) => new RegExp(`\\.\\.\\.${name}\\b`).test(document));
  return [document, ...used.map(([name, text]) => `fragment ${name} ${text}`)].join(" ");
}

const OF = "query Twin($id: ID!, $asOf: DateTime, $knownAt: DateTime";
const VEHICLE = "vehicle(id: $id, asOf: $asOf, knownAt: $knownAt)";

export const OF_VIN = "query OfVin($vin: String!) { vehicle(vin: $vin) { id } }";

export const HEAD = `${OF}) { ${VEHICLE} { ${ROW} } }`;

export const NAVIGATION = complete(`${OF}, $after: String, $tracks: Boolean!) { ${VEHICLE} { navigation {
    location { ${ENVELOPE} latitude longitude } heading { ...F } altitude { ...F } speed { ...F }
    range { ...F } batteryRange { ...F } fuelRange { ...F }
    destination { ${ENVELOPE} state latitude longitude }
    currentTrip { ...T track(maxPoints: 1000) { ...P } }
    trips(first: 10, after: $after) { edges { node { ...T track(maxPoints: 400) @include(if: $tracks) { ...P } } } pageInfo { hasNextPage endCursor } }
  } } }`);

export const MEDIA = complete(`${OF}, $after: String) { ${VEHICLE} { media {
    source { ...S } title { ...S } artist { ...S } album { ...S } playback { ...S } volume { ...F }
    playHistory(first: 25, after: $after) { edges { node { startedAt title artist album source foundPlaying receivedAt eventId } } pageInfo { hasNextPage endCursor } }
  } } }`);

const TYRES = ["Row1.Wheel.Left", "Row1.Wheel.Right", "Row2.Wheel.Left", "Row2.Wheel.Right"].map((wheel) => `Vehicle.Chassis.Axle.${wheel}.Tire.Pressure`);

export const DIAGNOSTICS = complete(`${OF}) { ${VEHICLE} { diagnostics {
    odometer { ...F } ignition { ...B } lowVoltage { ...F } stateOfCharge { ...F } batteryEnergy { ...F } isCharging { ...B } fuelLevel { ...F }
    engineSpeed { ...F } coolantTemperature { ...F } outsideTemperature { ...F }
    telemetryQuality { gaps missingBatches lateSamples clockCorrections }
    troubleCodes { code failureType ecu service active held firstSeenAt lastSeenAt clearedAt receivedAt capturedAt eventId
      status { byte testFailed pending confirmed warningIndicatorRequested } freezeFrame { path value unit }
      explanation { system group category failureType } }
    warnings { warning raised value limit unit capturedAt receivedAt eventId }
    chargingSessions(first: 10) { edges { node { startedAt endedAt foundCharging startPercent endPercent energyAddedKwh receivedAt eventId } } }
  } tyres: signals(paths: ${JSON.stringify(TYRES)}) { ${ENVELOPE} value } } }`);

export const SIGNALS = `${OF}) { ${VEHICLE} { signals { ${ENVELOPE} value } } }`;

/** Why the list of signals does not name all; null: it does. */
export const unnamedOf = (withheld) => withheld.find(({ field }) => field === "Vehicle.signals")?.reason ?? null;

export const COMPARED = `${OF}) { ${VEHICLE} { signals { ${ENVELOPE} value }
    diagnostics { troubleCodes(active: true) { ecu code capturedAt receivedAt eventId } warnings(raised: true) { warning capturedAt receivedAt eventId } } } }`;

export const EVENTS = `${OF}, $first: Int!, $after: String, $types: [String!], $order: Order!) { ${VEHICLE} {
    events(first: $first, after: $after, types: $types, order: $order) {
      edges { node { id type version position capturedAt receivedAt data withheld } } pageInfo { hasNextPage endCursor } } } }`;
