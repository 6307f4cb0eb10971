/** Which vehicles are shown: the same filter for map, table and numbers, in the address. */
import { useEffect } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { change, useRoute } from "../router.js";
import { WORDS } from "../fleet.js";
import { every, useLoad } from "../load.js";
import { shownBox } from "./map_view.js";

const REFRESH_MS = 60_000;
const NAMES = ["vin", "brand", "model", "region", "warning", "code", "least", "most", "box", "state"];
const SPELT = ["brand", "model", "warning"];
const OFFERED = { brand: "byBrand", model: "byModel", region: "byRegion", warning: "byWarning", code: "byTroubleCode" };

export function Filters() {
  const { params } = useRoute();
  const { data } = useLoad("words", (signal) => ask(WORDS, {}, signal), { followed: every(REFRESH_MS) });
  const words = (name) => (data?.fleet[OFFERED[name]]?.groups ?? []).filter(({ value }) => value !== null);
  useSpelling(params, words);
  const chosen = NAMES.some((name) => params[name]);
  const set = (name) => (event) => change({ [name]: event.target.value.trim() || null, after: null }, { replace: false });
  const field = (name) => html`<${Field} name=${name} value=${params[name]} onChange=${set(name)} words=${name in OFFERED ? words(name) : []} />`;
  return html`<form class="filters" role="search" aria-label=${t("filter")} onSubmit=${(event) => event.preventDefault()}>
    ${field("brand")}${field("model")}
    <label>${t("filter.region")} <select value=${params.region ?? ""} onChange=${set("region")}>
      <option value="">${t("filter.any")}</option>
      ${words("region").map(({ value, vehicles }) => html`<option value=${value}>${t(`region.${value}`)} (${vehicles})</option>`)}
      ${params.region && !words("region").some(({ value }) => value === params.region) && html`<option value=${params.region}>${params.region}</option>`}
    </select></label>
    ${field("warning")}${field("code")}
    <fieldset><legend>${t("filter.charge")}</legend>
      <input type="number" min="0" max="100" aria-label=${t("filter.least")} placeholder="0" value=${params.least ?? ""} onChange=${set("least")} />–
      <input type="number" min="0" max="100" aria-label=${t("filter.most")} placeholder="100" value=${params.most ?? ""} onChange=${set("most")} /> %
    </fieldset>
    ${field("vin")}
    <${Place} />
    ${chosen && html`<button type="button" onClick=${() => change(Object.fromEntries([...NAMES, "after"].map((name) => [name, null])), { replace: false })}>${t("filter.clear")}</button>`}
  </form>`;
}

/** Names are as the fleet spells them: who writes "audi" means Audi. */
function useSpelling(params, words) {
  const spelt = Object.fromEntries(SPELT.filter((name) => params[name]).map((name) => [name, params[name].split(",").map((each) => asSpelt(each, words(name))).join(",")]));
  useEffect(() => change(spelt), [JSON.stringify(spelt)]);
}

function asSpelt(text, words) {
  const wanted = text.trim();
  const found = words.some(({ value }) => value === wanted) ? null : words.find(({ value }) => value.toLowerCase() === wanted.toLowerCase());
  return found ? text.replace(wanted, found.value) : text;
}

function Field({ name, value, onChange, words }) {
  return html`<label>${t(`filter.${name}`)}
    <input type="text" list=${`words-${name}`} value=${value ?? ""} placeholder=${t("filter.any")} onChange=${onChange} /></label>
    <datalist id=${`words-${name}`}>${name === "code" && html`<option value="*">${t("filter.code.any")}</option>`}
      ${words.map((word) => html`<option value=${word.value}>${word.vehicles}</option>`)}</datalist>`;
}

/** What the map shows now becomes the filter. */
function Place() {
  const { params } = useRoute();
  const take = (event) => {
    const box = event.target.checked ? shownBox() : null;
    change({ box: box?.map((each) => each.toFixed(4)).join(",") ?? null, after: null }, { replace: false });
  };
  return html`<label class="check"><input type="checkbox" checked=${Boolean(params.box)} onChange=${take} /> ${t("filter.box")}</label>`;
}
