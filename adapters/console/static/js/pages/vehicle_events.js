/** The raw events of a vehicle, by type. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { change, useRoute } from "../router.js";
import { moment, number } from "../format.js";
import { EVENTS } from "../twin.js";
import { EventData } from "../parts/event_data.js";
import { Late } from "../parts/late.js";
import { Paging } from "../parts/paging.js";
import { Empty, Loaded } from "../parts/states.js";
import { useTwin } from "./vehicle.js";

const FIRST = 50;
const TYPES = ["charging_ended", "charging_started", "clock_corrected", "decommissioned", "destination_cleared", "destination_reached",
  "destination_set", "ignition_turned_off", "ignition_turned_on", "late_samples_recorded", "media_playback_changed", "media_source_selected",
  "media_track_started", "media_volume_changed", "odometer_advanced", "registered", "signals_sampled", "telemetry_gap_detected",
  "track_extended", "trip_ended", "trip_started", "trips_rearranged", "trouble_code_cleared", "trouble_code_raised",
  "trouble_codes_read", "warning_cleared", "warning_raised"].map((name) => `vehicle.${name}.v1`);

export function EventsPart({ id }) {
  const { params } = useRoute();
  const order = params.order === "oldest" ? "OLDEST_FIRST" : "NEWEST_FIRST";
  const load = useTwin(EVENTS, id, { first: FIRST, after: params.after ?? null, types: params.type ? [params.type] : null, order });
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("event.type")}<select value=${params.type ?? ""} onChange=${(event) => change({ type: event.target.value || null, after: null }, { replace: false })}>
        <option value="">${t("filter.any")}</option>
        ${[...new Set([...TYPES, ...(params.type ? [params.type] : [])])].map((each) => html`<option value=${each}>${each}</option>`)}</select></label>
      <label>${t("event.order")}<select value=${order} onChange=${(event) => change({ order: event.target.value === "OLDEST_FIRST" ? "oldest" : null, after: null }, { replace: false })}>
        <option value="NEWEST_FIRST">${t("event.newest")}</option><option value="OLDEST_FIRST">${t("event.oldest")}</option></select></label>
    </form>
    <${Loaded} load=${load}>${({ vehicle }) => (vehicle?.events ? html`<${Events} page=${vehicle.events} />` : html`<${Empty} text=${t(vehicle ? "withheld" : "vehicle.none")} hint=${vehicle ? "events:read" : ""} />`)}<//>`;
}

function Events({ page }) {
  if (!page.edges.length) return html`<${Empty} text=${t("event.none")} />`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("twin.events")}><table>
    <thead><tr><th scope="col" class="number">${t("event.version")}</th><th scope="col">${t("event.type")}</th><th scope="col">${t("event.captured")}</th>
      <th scope="col">${t("event.received")}</th><th scope="col" class="number">${t("event.position")}</th><th scope="col">${t("event.data")}</th></tr></thead>
    <tbody>${page.edges.map(({ node }) => html`<tr key=${node.id}><td class="number">${number(node.version)}</td><th scope="row">${node.type}</th>
      <td>${moment(node.capturedAt)}</td><td>${moment(node.receivedAt)} <${Late} from=${node.capturedAt} to=${node.receivedAt} /></td><td class="number">${number(Number(node.position))}</td>
      <td><${EventData} event=${node} /></td></tr>`)}</tbody></table></div>
    <${Paging} info=${page.pageInfo} />`;
}
