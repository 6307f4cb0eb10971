/** A twin: what it is, and a page for each thing that can be told of it. */
import { useEffect } from "preact/hooks";
import { html } from "../html.js";
import { learn, t } from "../i18n.js";
import { MESSAGES } from "../messages_twin.js";
import { ask } from "../api.js";
import { address, go, useRoute } from "../router.js";
import { age, moment } from "../format.js";
import { every, useLoad } from "../load.js";
import { follow } from "../stream.js";
import { HEAD, OF_VIN } from "../twin.js";
import { useClock, useNowMs, useWhen } from "../time.js";
import { Explain } from "../parts/explain.js";
import { Empty, Loaded } from "../parts/states.js";
import { ComparePart } from "./vehicle_compare.js";
import { DiagnosticsPart } from "./vehicle_diagnostics.js";
import { EventsPart } from "./vehicle_events.js";
import { MediaPart } from "./vehicle_media.js";
import { NavigationPart } from "./vehicle_navigation.js";
import { SignalsPart } from "./vehicle_signals.js";

learn(MESSAGES);

const AGES_EVERY_MS = 5_000;
const REFRESH_MS = 60_000;
/** ISO 3779: no I, O or Q. */
const VIN = /^[A-HJ-NPR-Z0-9]{17}$/i;

const PARTS = {
  __proto__: null, // names come from addresses
  navigation: NavigationPart,
  media: MediaPart,
  diagnostics: DiagnosticsPart,
  signals: SignalsPart,
  events: EventsPart,
  compare: ComparePart,
};

/** What is shown of the present changes with the vehicle, and that it leaves the fleet is seen with time; the past does not. */
export const followed = (id, when) => (when.atMs === null ? (onChanged, signal) => {
  follow({ vehicles: [id] }, onChanged, signal);
  every(REFRESH_MS)(onChanged, signal);
} : null);

/** Ask for a part of a twin, as of the moment that is looked at. */
export function useTwin(document, id, more = {}) {
  const when = useWhen();
  const variables = { id, asOf: when.asOf, knownAt: when.knownAt, ...more };
  return useLoad(document + JSON.stringify(variables), (signal) => ask(document, variables, signal), { followed: followed(id, when), group: id });
}

export function VehiclePage() {
  const { parts } = useRoute();
  return VIN.test(parts[1] ?? "") ? html`<${ByVin} vin=${parts[1].toUpperCase()} />` : html`<${Twin} />`;
}

/** Who has the VIN only is led to the vehicle, and the address to its id: addresses are kept, and shared. */
function ByVin({ vin }) {
  const { parts: [, , ...more], params } = useRoute();
  const load = useLoad(vin, (signal) => ask(OF_VIN, { vin }, signal));
  const id = load.data?.vehicle?.id;
  useEffect(() => {
    if (id) go(["vehicle", id, ...more], params, { replace: true });
  }, [id]);
  return html`<div class="page twin"><${Loaded} load=${load}>${({ vehicle }) => !vehicle && html`
    <${Empty} text=${t("vehicle.none")} hint=${t("vehicle.none.hint")} />`}<//></div>`;
}

function Twin() {
  const { parts } = useRoute();
  useClock(AGES_EVERY_MS);
  const [, id = "", part = "navigation"] = parts;
  const load = useTwin(HEAD, id);
  const Part = PARTS[part];
  return html`<div class="page twin">
    <${Loaded} load=${load}>${({ vehicle }) => (vehicle ? html`
      <${Head} vehicle=${vehicle} />
      <nav class="tabs" aria-label=${t("twin.parts")}>
        ${Object.keys(PARTS).map((name) => html`<a key=${name} href=${address(["vehicle", id, name])} aria-current=${name === part ? "page" : null}>${t(`twin.${name}`)}</a>`)}
      </nav>
      ${Part ? html`<${Part} key=${part} id=${id} vehicle=${vehicle} />` : html`<${Empty} text=${t("page.none")} hint=${t("page.none.hint")} />`}
      <${Explain} vehicle=${id} />` : html`<${Empty} text=${t("vehicle.none")} hint=${t("vehicle.none.hint")} />`)}<//>
  </div>`;
}

function Head({ vehicle }) {
  const now = useNowMs();
  return html`<header class="head">
    <h1>${vehicle.brand} ${vehicle.model}</h1>
    <p><code>${vehicle.vin}</code>
      <span>${t("twin.seen")} ${vehicle.lastSeenAt ? html`<time datetime=${vehicle.lastSeenAt} title=${moment(vehicle.lastSeenAt)}>${age(vehicle.lastSeenAt, now)}</time>` : t("twin.never")}</span>
      ${vehicle.decommissionedAt && html`<span class="chip">${t("twin.gone", { at: moment(vehicle.decommissionedAt) })}</span>`}
    </p>
  </header>`;
}
