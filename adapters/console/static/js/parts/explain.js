/** Where a value comes from: from the value of a signal, or from what an event told, back to event, batch and decoder. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { address, close, currentRoute, useRoute } from "../router.js";
import { duration, moment, number, quantity } from "../format.js";
import { useLoad } from "../load.js";
import { useWhen, whenOf } from "../time.js";
import { EventData } from "./event_data.js";
import { Empty, Loaded, Withheld } from "./states.js";

const OF_SIGNAL = `query Explain($vehicle: ID!, $path: String!, $asOf: DateTime, $knownAt: DateTime) {
  explain(vehicle: $vehicle, path: $path, asOf: $asOf, knownAt: $knownAt) {
    value { value unit status reason }
    event { type version position data withheld }
    batch { streamId sequence origin { decoder mapping } }
    times { capturedAtRaw capturedAt receivedAt recordedAt projectedAt projectedAtIsExact } } }`;
const OF_EVENT = `query Told($id: ID!) { node(id: $id) { ... on Event { type version position data withheld capturedAt receivedAt recordedAt
  batch { streamId sequence origin { decoder mapping } } } } }`;
/** The path of a signal; the id of an event has no point. */
const PATH = /\./;

/** The way of a value; null: there is none, or none that is shown. */
async function wayOf(vehicle, what, when, signal) {
  if (PATH.test(what)) {
    const { explain, withheld } = await ask(OF_SIGNAL, { vehicle, path: what, asOf: when.asOf, knownAt: when.knownAt }, signal);
    return { way: explain, withheld };
  }
  const { node, withheld } = await ask(OF_EVENT, { id: what }, signal);
  return { way: node?.type ? { event: node, batch: node.batch, times: node } : null, withheld };
}

/** @param {{vehicle: string}} shown */
export function Explain({ vehicle }) {
  const { params } = useRoute();
  const now = useWhen();
  const when = params.side === "vs" ? whenOf({ params: { at: params.vs, by: params.by } }) : now; // of the two that are compared
  return params.explain ? html`<${Open} vehicle=${vehicle} what=${params.explain} when=${when} />` : null;
}

/** @param {{vehicle: string, what: string, when: import("../time.js").When}} shown what: the path of a signal, or the id of an event */
function Open({ vehicle, what, when }) {
  const dialog = useRef(null);
  const load = useLoad(`explain ${vehicle} ${what} ${when.key}`, (signal) => wayOf(vehicle, what, when, signal));
  useEffect(() => {
    const shown = dialog.current;
    const opener = document.activeElement;
    shown.showModal();
    return () => {
      shown.close();
      if (opener !== document.body && opener.isConnected) opener.focus(); // the way back may have closed it
    };
  }, []);
  const closed = () => currentRoute().params.explain === what && close({ explain: null, side: null });
  return html`<dialog ref=${dialog} class="explain" aria-labelledby="explain-title" onClose=${closed}>
    <h2 id="explain-title">${t("explain.title")}</h2>
    ${PATH.test(what) && html`<p class="path">${what}</p>`}
    <${Loaded} load=${load}>${({ way, withheld }) => html`${way && html`<${Way} way=${way} vehicle=${vehicle} />`}
      ${withheld.map(({ scopes }) => html`<${Withheld} key=${scopes} scope=${scopes.join(" ")} />`)}
      ${!way && !withheld.length && html`<${Empty} text=${t("explain.none")} />`}`}<//>
    <form method="dialog"><button>${t("close")}</button></form>
  </dialog>`;
}

function Way({ way: { value, event, batch, times }, vehicle }) {
  const steps = [
    value && [t("explain.value"), `${quantity(value.value, value.unit)} · ${t(`status.${value.status}`)}${value.reason ? `: ${value.reason}` : ""}`],
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
    const length = Math.abs(passed) < 1 ? `${Math.round(Math.abs(passed) * 1000)} ms` : duration(passed);
    const late = passed === null ? "" : ` (${passed < 0 ? "−" : "+"}${length})`; // a clock may have been ahead
    return [t(`explain.${name}`), `${moment(times[name])}${late}`];
  });
}
