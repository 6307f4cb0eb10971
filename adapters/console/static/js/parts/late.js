/** Marks what reached us long after it was. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { duration, moment } from "../format.js";
import { lateS } from "./value.js";

/** @param {{from: string, to: string}} times when it was, and when it reached us */
export function Late({ from, to }) {
  const seconds = lateS({ capturedAt: from, receivedAt: to });
  return seconds && html`<small class="late" title=${t("late.hint", { at: moment(to) })}>⇥ ${t("late", { time: duration(seconds) })}</small>`;
}
