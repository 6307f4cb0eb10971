/** Where a value comes from: from the value back to its event, batch and decoder. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { address, close, currentRoute, useRoute } from "../router.js";
import { duration, moment, number, quantity } from "../format.js";
import { useLoad } from "../load.js";
import { useWhen, whenOf } from "../time.js";
import { EventData } from "./event_data.js";
import { Empty, Loaded } from "./states.js";

const EXPLAIN = `query Explain($vehicle: ID!, $path: String!, $asOf: DateTime, $knownAt: DateTime) {
  explain(vehicle: $vehicle, path: $path, asOf: $asOf, knownAt: $knownAt) {
    value { value unit status reason }
    event { type version position data withheld }
    batch { streamId sequence origin { decoder mapping } }
    times { capturedAtRaw capturedAt receivedAt recordedAt projectedAt projectedAtIsExact } } }`;

/** @param {{vehicle: string}} shown */
export function Explain({ vehicle }) {
  const { params } = useRoute();
  const now = useWhen();
  const when = params.side === "vs" ? whenOf({ params: { at: params.vs, by: params.by } }) : now; // of the two that are compared
  return params.explain ? html`<${Open} vehicle=${vehicle} path=${params.explain} when=${when} />` : null;
}

function Open({ vehicle, path, when }) {
  const dialog = useRef(null);
  const variables = { vehicle, path, asOf: when.asOf, knownAt: when.knownAt };
  const load = useLoad(JSON.stringify(variables), (signal) => ask(EXPLAIN, variables, signal));
  useEffect(() => {
    const shown = dialog.current;
    const opener = document.activeElement;
    shown.showModal();
    return () => {
      shown.close();
      if (opener !== document.body && opener.isConnected) opener.focus(); // the way back may have closed it
    };
  }, []);
  const closed = () => currentRoute().params.explain === path && close({ explain: null, side: null });
  return html`<dialog ref=${dialog} class="explain" aria-labelledby="explain-title" onClose=${closed}>
    <h2 id="explain-title">${t("explain.title")}</h2>
    <p class="path">${path}</p>
    <${Loaded} load=${load}>${({ explain }) => (explain ? html`<${Way} way=${explain} vehicle=${vehicle} />` : html`<${Empty} text=${t("vehicle.none")} />`)}<//>
    <form method="dialog"><button>${t("close")}</button></form>
  </dialog>`;
}

function Way({ way: { value, event, batch, times }, vehicle }) {
  const steps = [
    [t("explain.value"), `${quantity(value.value, value.unit)} · ${t(`status.${value.status}`)}${value.reason ? `: ${value.reason}` : ""}`],
    event && [t("explain.event"), html`<a href=${address(["vehicle", vehicle, "events"], { type: event.type })}>${event.type}</a>, ${t("explain.version", { version: event.version, position: number(Number(event.position)) })}`],
    event && [t("event.data"), html`<${EventData} event=${event} />`],
    batch && [t("explain.batch"), `${batch.streamId}, ${t("explain.sequence", { sequence: batch.sequence })}`],
    batch && [t("explain.decoder"), batch.origin?.decoder ?? t("explain.unrecorded")],
    batch && [t("explain.mapping"), batch.origin?.mapping ?? t("explain.unrecorded")],
    ...timesOf(times),
  ].filter(Boolean);
  return html`<dl class="way">${steps.map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd>${text}</dd></div>`)}</dl>`;
}

function timesOf(times) {
  if (!times) return [];
  const names = ["capturedAtRaw", "capturedAt", "receivedAt", "recordedAt", "projectedAt"];
  let before = null;
  return names.filter((name) => times[name] && !(name === "capturedAtRaw" && times[name] === times.capturedAt)).map((name) => {
    const passed = before ? (Date.parse(times[name]) - Date.parse(before)) / 1000 : null;
    before = times[name];
    const late = passed === null ? "" : ` (+${passed < 1 ? `${Math.round(passed * 1000)} ms` : duration(passed)})`;
    return [t(`explain.${name}`), `${moment(times[name])}${late}`];
  });
}
