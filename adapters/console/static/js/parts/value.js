/** A measured value with all that can be said of it; a click explains where it comes from. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { change } from "../router.js";
import { age, duration, moment, quantity } from "../format.js";
import { nowMs } from "../time.js";

/** So much later than it was measured a value counts as late. */
const LATE_MS = 60_000;

const SIGN = { STALE: "◷", UNSUPPORTED: "∅", NEVER_RECEIVED: "∅", FORBIDDEN: "🔒︎", ERASED: "⌫", INVALID: "⚠" };

/** How late a value reached us, in seconds; null: in time. */
export function lateS({ capturedAt, receivedAt }) {
  const ms = capturedAt && receivedAt ? Date.parse(receivedAt) - Date.parse(capturedAt) : 0;
  return ms > LATE_MS ? ms / 1000 : null;
}

/** What of a value is shown as its text. */
export function textOf(value) {
  if (value.__typename === "LocationValue" || "latitude" in value) {
    return value.latitude == null ? "–" : `${quantity(value.latitude, "degrees")}, ${quantity(value.longitude, "degrees")}`;
  }
  return quantity(value.value, value.unit);
}

/** @param {{label: string, value: object}} shown a value in its envelope */
export function Value({ label, value }) {
  const bad = value.status !== "OK";
  return html`<div class=${`value ${bad ? "not-ok" : ""}`}>
    <dt>${label}</dt>
    <dd><button type="button" class="plain" title=${t("explain.open")} onClick=${() => change({ explain: value.path })}>${textOf(value)}</button>
      <${Provenance} value=${value} /></dd>
  </div>`;
}

/** Age, status and lateness of a value. */
export function Provenance({ value }) {
  const late = lateS(value);
  return html`<small class="provenance">
    ${value.status !== "OK" && html`<span class="status" title=${value.reason}>${SIGN[value.status] ?? ""} ${t(`status.${value.status}`)}</span>`}
    ${value.capturedAt && html`<time datetime=${value.capturedAt} title=${moment(value.capturedAt)}>${age(value.capturedAt, nowMs())}</time>`}
    ${late && html`<span class="late" title=${t("late.hint", { at: moment(value.receivedAt) })}>⇥ ${t("late", { time: duration(late) })}</span>`}
  </small>`;
}
