/** What an event holds, as the log keeps it. */
import { html } from "../html.js";
import { t } from "../i18n.js";

/** @param {{event: {data: object, withheld: string | null}}} shown */
export function EventData({ event: { data, withheld } }) {
  return html`<details><summary>${t("event.fields", { count: Object.keys(data).length })}</summary>
    ${withheld && html`<p class="hint">${withheld}</p>`}<pre>${JSON.stringify(data, null, 1)}</pre></details>`;
}
