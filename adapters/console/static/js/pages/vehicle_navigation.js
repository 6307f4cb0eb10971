/** Where a vehicle is, was and is going. */
import { useMemo, useRef } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { change, useRoute } from "../router.js";
import { duration, moment, quantity } from "../format.js";
import { HIDDEN, rowOf } from "../fleet.js";
import { useNowMs } from "../time.js";
import { NAVIGATION } from "../twin.js";
import { boxOf, legend, trackOverlay } from "../map/track.js";
import { MapView } from "../parts/map_view.js";
import { Empty, Loaded, Withheld } from "../parts/states.js";
import { Late } from "../parts/late.js";
import { Paging } from "../parts/paging.js";
import { Told, Value } from "../parts/value.js";
import { useTwin } from "./vehicle.js";

export function NavigationPart({ id, vehicle }) {
  const { params } = useRoute();
  const row = rowOf(vehicle, useNowMs()); // of the moment of the vehicle, which may come before the rest
  const moving = useRef(false); // then its track comes with the current trip, and those of the others are not asked for
  const load = useTwin(NAVIGATION, id, { after: params.after ?? null, tracks: Boolean(params.trip) || !moving.current });
  moving.current = Boolean(load.data?.vehicle?.navigation.currentTrip);
  return html`<${Loaded} load=${load}>${(data) => html`<${Shown} navigation=${data.vehicle?.navigation} vehicle=${vehicle} row=${row} chosen=${params.trip} />`}<//>`;
}

function Shown({ navigation, vehicle, row, chosen }) {
  if (!navigation) return html`<${Empty} text=${t("vehicle.none")} />`;
  const { location, heading, speed, altitude, range, batteryRange, fuelRange, destination, currentTrip, trips } = navigation;
  const listed = (trips?.edges ?? []).map(({ node }) => node);
  const trip = listed.find((each) => each.id === chosen) ?? currentTrip ?? listed[0] ?? null;
  const points = trip?.track?.points ?? [];
  const goal = destination.state === "SET" ? destination : null;
  const earlier = trip?.id === chosen && trip?.id !== currentTrip?.id; // looked at for itself, wherever the vehicle is now
  const key = `${trip?.id} ${points.length} ${points.at(-1)?.capturedAt} ${goal?.latitude} ${goal?.longitude}`;
  const overlay = useMemo(() => trackOverlay(points, goal), [key]);
  const box = useMemo(() => boxOf(earlier && points.length ? points : [...points, row, goal].filter((each) => each?.latitude != null)), [key, earlier, row.latitude, row.longitude]);
  const rows = useMemo(() => [row], [vehicle, row.state]);
  return html`<div class="split">
    <div class="map-side">
      <${MapView} rows=${rows} hidden=${row.placeStatus === HIDDEN} label=${t("track.label", { count: points.length })} overlay=${overlay} box=${box} subject=${`${earlier} ${trip?.id}`} />
      <ul class="legend" aria-label=${t("track.legend")}>${legend().map(({ name, className }) => html`<li key=${name}><span class=${`line ${className}`} aria-hidden="true"></span>${name}</li>`)}
        <li><span class="line gap" aria-hidden="true"></span>${t("track.gap")}</li></ul>
    </div>
    <div class="beside">
      <dl class="values">
        <${Value} label=${t("nav.location")} value=${location} /><${Value} label=${t("nav.speed")} value=${speed} />
        <${Value} label=${t("nav.heading")} value=${heading} /><${Value} label=${t("nav.altitude")} value=${altitude} />
        <${Value} label=${t("nav.range")} value=${range} /><${Value} label=${t("nav.batteryRange")} value=${batteryRange} />
        <${Value} label=${t("nav.fuelRange")} value=${fuelRange} />
        <${Destination} value=${destination} />
      </dl>
      <h2>${t("nav.trips")}</h2>
      ${trips?.edges.length === 0 && !currentTrip && html`<${Empty} text=${t("nav.trips.none")} />`}
      <${Trips} trips=${currentTrip && !listed.some(({ id }) => id === currentTrip.id) ? [currentTrip, ...listed] : listed} shown=${trip?.id} />
      ${trips === null ? html`<${Withheld} scope="navigation:history" />` : html`<${Paging} info=${trips.pageInfo} />`}
    </div>
  </div>`;
}

function Destination({ value }) {
  return html`<${Value} label=${value.state ? `${t("nav.destination")} (${t(`destination.${value.state}`)})` : t("nav.destination")} value=${value} />`;
}

/** @param {{trips: object[], shown: string | undefined}} shown also where older ones are listed, or none may be, the current one is the first */
function Trips({ trips, shown }) {
  if (!trips.length) return null;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("nav.trips")}><table>
    <thead><tr><th scope="col">${t("trip.started")}</th><th scope="col" class="number">${t("trip.duration")}</th><th scope="col" class="number">${t("trip.distance")}</th>
      <th scope="col" class="number">${t("trip.energy")}</th><th scope="col">${t("trip.end")}</th></tr></thead>
    <tbody>${trips.map((node) => html`<tr key=${node.id} aria-current=${node.id === shown ? "true" : null}>
      <th scope="row"><button type="button" class="plain" aria-pressed=${node.id === shown} onClick=${() => change({ trip: node.id })}>${moment(node.startedAt)}</button> <${Late} from=${node.endedAt} to=${node.receivedAt} /></th>
      <td class="number">${duration(node.durationS)}</td><td class="number"><${Told} by=${node.eventId}>${quantity(node.distanceM / 1000, "km")}<//></td>
      <td class="number">${quantity(node.energyKwh, "kWh")}</td>
      <td>${node.ended ? t(`end.${node.endReason}`) : html`<span class="state driving"><span class="sign" aria-hidden="true">▲</span>${t("trip.going")}</span>`}</td></tr>`)}</tbody></table></div>`;
}
