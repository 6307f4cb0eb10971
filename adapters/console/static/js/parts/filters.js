/** Which vehicles are shown: the same filter for map, table and numbers, in the address. */
import { useMemo } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { change, useRoute } from "../router.js";
import { shownBox } from "./map_view.js";

const NAMES = ["vin", "brand", "model", "warning", "code", "least", "most", "box", "state"];
const seen = { brand: new Set(), model: new Set(), warning: new Set(), code: new Set() };

/** @param {{rows: import("../fleet.js").Row[]}} shown the vehicles that are known, whose words are offered */
export function Filters({ rows }) {
  const { params } = useRoute();
  const offered = useMemo(() => {
    for (const row of rows) {
      seen.brand.add(row.brand);
      if (row.model) seen.model.add(row.model);
      row.warnings.forEach((each) => seen.warning.add(each));
      row.codes.forEach((each) => seen.code.add(each));
    }
    return Object.fromEntries(Object.entries(seen).map(([name, words]) => [name, [...words].sort()]));
  }, [rows]);
  const chosen = NAMES.some((name) => params[name]);
  const set = (name) => (event) => change({ [name]: event.target.value.trim() || null, after: null }, { replace: false });
  return html`<form class="filters" role="search" aria-label=${t("filter")} onSubmit=${(event) => event.preventDefault()}>
    <${Field} name="brand" value=${params.brand} onChange=${set("brand")} words=${offered.brand} />
    <${Field} name="model" value=${params.model} onChange=${set("model")} words=${offered.model} />
    <${Field} name="warning" value=${params.warning} onChange=${set("warning")} words=${offered.warning} />
    <${Field} name="code" value=${params.code} onChange=${set("code")} words=${["any", ...offered.code]} />
    <fieldset><legend>${t("filter.charge")}</legend>
      <input type="number" min="0" max="100" aria-label=${t("filter.least")} placeholder="0" value=${params.least ?? ""} onChange=${set("least")} />–
      <input type="number" min="0" max="100" aria-label=${t("filter.most")} placeholder="100" value=${params.most ?? ""} onChange=${set("most")} /> %
    </fieldset>
    <${Field} name="vin" value=${params.vin} onChange=${set("vin")} words=${[]} />
    <${Place} />
    ${chosen && html`<button type="button" onClick=${() => change(Object.fromEntries([...NAMES, "after"].map((name) => [name, null])), { replace: false })}>${t("filter.clear")}</button>`}
  </form>`;
}

function Field({ name, value, onChange, words }) {
  return html`<label>${t(`filter.${name}`)}
    <input type="text" list=${`words-${name}`} value=${value ?? ""} placeholder=${t("filter.any")} onChange=${onChange} />
    <datalist id=${`words-${name}`}>${words.map((word) => html`<option value=${word} />`)}</datalist></label>`;
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
