/** A measured value with all that can be said of it; a click explains where it comes from. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { change } from "../router.js";
import { age, duration, moment, quantity } from "../format.js";
import { useNowMs } from "../time.js";

/** So much later than it was measured a value counts as late. */
const LATE_MS = 60_000;

const SIGN = { STALE: "◷", UNSUPPORTED: "∅", NEVER_RECEIVED: "∅", FORBIDDEN: "×", ERASED: "⌫", INVALID: "⚠" };

/** How late a value reached us, in seconds; null: in time. */
export function lateS({ capturedAt, receivedAt }) {
  const ms = capturedAt && receivedAt ? Date.parse(receivedAt) - Date.parse(capturedAt) : 0;
  return ms > LATE_MS ? ms / 1000 : null;
}

/** What of a value is shown as its text. */
function textOf(value) {
  if ("latitude" in value) {
    return value.latitude == null ? "–" : `${quantity(value.latitude, "degrees")}, ${quantity(value.longitude, "degrees")}`;
  }
  return quantity(value.value, value.unit);
}

/** The path that explains a value: a place has its latitude's, and comes with it. */
const pathOf = (value) => ("latitude" in value ? `${value.path}.Latitude` : value.path);

/** What a click explains. @param {{by: string, more?: object}} shown by: the path of a signal, or the id of the event that told it; more: parameters that say which moment it is of */
export const Told = ({ by, more, children }) => html`<button type="button" class="plain" title=${t("explain.open")} onClick=${() => change({ explain: by, ...more }, { over: true })}>${children}</button>`;

/** The text of a value; a click explains it. @param {{value: object, more?: object}} shown */
export const Explained = ({ value, more }) => html`<${Told} by=${pathOf(value)} more=${more}>${textOf(value)}<//>`;

/** @param {{label: string, value: object}} shown a value in its envelope */
export function Value({ label, value }) {
  const bad = value.status !== "OK";
  return html`<div class=${`value ${bad ? "not-ok" : ""}`}>
    <dt>${label}</dt>
    <dd><${Explained} value=${value} />
      <${Provenance} value=${value} /></dd>
  </div>`;
}

/** A status in a table, where it is worth a word; that a car has no such thing, or never told it, is told by a dash. */
export function StatusSign({ status }) {
  if (["OK", "UNSUPPORTED", "NEVER_RECEIVED"].includes(status)) return null;
  return html` <span class="status" title=${t(`status.${status}`)}><span aria-hidden="true">${SIGN[status]}</span><span class="hidden">${t(`status.${status}`)}</span></span>`;
}

/** Age, status and lateness of a value; `at`: of which moment it is, where that is another one than all that is shown. */
export function Provenance({ value, at }) {
  const now = useNowMs();
  const late = lateS(value);
  return html`<small class="provenance">
    ${value.status !== "OK" && html`<span class="status" title=${value.reason}>${SIGN[value.status] ?? ""} ${t(`status.${value.status}`)}</span>`}
    ${value.capturedAt && html`<time datetime=${value.capturedAt} title=${moment(value.capturedAt)}>${age(value.capturedAt, at ?? now)}</time>`}
    ${late && html`<span class="late" title=${t("late.hint", { at: moment(value.receivedAt) })}>⇥ ${t("late", { time: duration(late) })}</span>`}
  </small>`;
}
