/** Every signal that a vehicle has sent; any of them as a plot. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { change, useRoute } from "../router.js";
import { SIGNALS, unnamedOf } from "../twin.js";
import { Plot } from "../parts/plot.js";
import { Empty, Loaded } from "../parts/states.js";
import { Explained, Provenance } from "../parts/value.js";
import { useTwin } from "./vehicle.js";

export function SignalsPart({ id }) {
  const { params } = useRoute();
  const load = useTwin(SIGNALS, id);
  const unit = load.data?.vehicle?.signals.find(({ path }) => path === params.plot)?.unit ?? null;
  const wanted = (params.find ?? "").toLowerCase();
  return html`
    ${params.plot && html`<${Plot} key=${params.plot} id=${id} path=${params.plot} unit=${unit} />`}
    <form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("signal.find")}<input type="search" value=${params.find ?? ""} onInput=${(event) => change({ find: event.target.value || null })} /></label></form>
    <${Loaded} load=${load}>${({ vehicle, withheld }) => {
      const found = (vehicle?.signals ?? []).filter(({ path }) => path.toLowerCase().includes(wanted));
      const unnamed = unnamedOf(withheld);
      return html`${unnamed && html`<p class="status">× ${t("signal.unnamed")} ${unnamed}</p>`}
        ${found.length ? html`<${Table} signals=${found} plotted=${params.plot} />` : html`<${Empty} text=${t(wanted ? "signal.none" : unnamed ? "signal.none.shown" : "signal.none.yet")} />`}`;
    }}<//>`;
}

function Table({ signals, plotted }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("twin.signals")}><table>
    <thead><tr><th scope="col">${t("signal.path")}</th><th scope="col" class="number">${t("signal.value")}</th><th scope="col">${t("signal.about")}</th><th scope="col">${t("signal.plot")}</th></tr></thead>
    <tbody>${signals.map((each) => html`<tr key=${each.path}>
      <th scope="row" class="path">${each.path.replace(/^Vehicle\./, "")}</th>
      <td class="number"><${Explained} value=${each} /></td>
      <td><${Provenance} value=${each} /></td>
      <td><button type="button" aria-pressed=${plotted === each.path} aria-label=${`${t("signal.plot")}: ${each.path}`} onClick=${() => change({ plot: plotted === each.path ? null : each.path })}>∿</button></td>
    </tr>`)}</tbody></table></div>`;
}
