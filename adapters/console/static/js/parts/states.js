/** The states of a view that has nothing to show: it loads, there is nothing, something went wrong. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { isLost } from "../api.js";
import { ShownMoment } from "../time.js";

export const Loading = () => html`<p class="note loading" role="status">${t("loading")}</p>`;

/** @param {{text: string, hint?: string}} shown */
export const Empty = ({ text, hint }) => html`<p class="note">${text}${hint && html` <span class="hint">${hint}</span>`}</p>`;

/** A message, or the other where there is none. */
const said = (key, other) => (t(key) === key ? t(other) : t(key));

/** What a token does not show, and the scope that it lacks. @param {{scope: string}} shown */
export const Withheld = ({ scope }) => html`<${Empty} text=${t("withheld")} hint=${scope} />`;

/** What went wrong and what to do about it; that the server is away is said here in place of the banner of the page. @param {{error: Error & {code?: string, remedy?: string}, again?: () => void}} shown */
export function Failed({ error, again }) {
  const code = error.code ?? "INTERNAL";
  const lost = isLost(error);
  return html`<div class=${`note failed ${lost ? "lost" : ""}`} role="alert">
    <strong>${said(`error.${code}`, "error.other")}</strong>
    ${!lost && html`<span lang="en">${error.message}${error.remedy && `: ${error.remedy}`}.</span>`}
    <span>${said(`remedy.${code}`, "remedy.other")}</span>
    ${again && html`<button type="button" onClick=${again}>${t("again")}</button>`}
  </div>`;
}

/** What loads, went wrong, or is there; over what is there, the banner of the page says that the server is away. @param {{load: {data: any, error: Error|null, loading: boolean, reload: () => void, atMs: number|null}, children: (data: any) => any}} shown */
export function Loaded({ load, children }) {
  if (load.data != null) {
    return html`${load.loading && html`<p class="loading corner" role="status">${t("loading")}</p>`}${load.error && !isLost(load.error) && html`<${Failed} error=${load.error} again=${load.reload} />`}<${ShownMoment.Provider} value=${load.atMs}>${children(load.data)}<//>`;
  }
  if (load.error) return html`<${Failed} error=${load.error} again=${load.reload} />`;
  return html`<${Loading} />`;
}

/** A state of a vehicle, in a word with its sign. */
export function StateMark({ state, sign }) {
  return html`<span class=${`state ${state}`}><span class="sign" aria-hidden="true">${sign}</span>${t(`state.${state}`)}</span>`;
}
