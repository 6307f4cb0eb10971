/** Where two versions of a projection tell something else. */
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { address, change, useRoute } from "../router.js";
import { number } from "../format.js";
import { useLoad } from "../load.js";
import { walk } from "../walk.js";
import { Empty, Failed, Loaded, Withheld } from "../parts/states.js";

const FIRST = 100;
const SHOWN_MAX = 500; // before somebody asks for more
const THERE = "{ operations { projections { projection version shown state } } }";
const COMPARISON = `query ($projection: String!, $left: Int!, $right: Int!, $first: Int!, $after: String) { operations {
  comparison(projection: $projection, left: $left, right: $right, first: $first, after: $after) {
    vehicles vehiclesCompared rowsOutside notCompared leftOut pageInfo { hasNextPage endCursor }
    edges { node { vehicleId table key field left right withheld vehicle { vin brand }
      firstEvent { version position } firstEventUnknown lastEvent { version position } } } } } }`;

export function ComparePart() {
  const load = useLoad("versions", (signal) => ask(THERE, {}, signal));
  return html`<${Loaded} load=${load}>${({ operations }) => (operations ? html`<${Choice} there=${operations.projections} />` : html`<${Withheld} scope="operations:read" />`)}<//>`;
}

function Choice({ there }) {
  const { params } = useRoute();
  const names = [...new Set(there.map((each) => each.projection))];
  const several = names.find((name) => there.filter((each) => each.projection === name).length > 1);
  const projection = names.includes(params.projection) ? params.projection : several ?? names[0];
  const versions = there.filter((each) => each.projection === projection).map((each) => each.version);
  const chosen = (text, otherwise) => (versions.includes(Number(text)) ? Number(text) : otherwise);
  const left = chosen(params.left, versions[0]);
  const right = chosen(params.right, versions[1] ?? versions[0]);
  const select = (name, value, values) => html`<label>${t(`versions.${name}`)}<select value=${value} onChange=${(event) => change({ [name]: event.target.value }, { replace: false })}>
    ${values.map((each) => html`<option key=${each} value=${each}>${name === "projection" ? each : `v${each}`}</option>`)}</select></label>`;
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
      ${select("projection", projection, names)}${select("left", left, versions)}${select("right", right, versions)}</form>
    ${versions.length < 2 ? html`<p class="note">${t("versions.one", { projection })} <code>fleettwin rebuild ${projection} --version ${versions[0] + 1}</code></p>` : left === right ? html`<${Empty} text=${t("versions.same")} />` : html`<${Comparison} key=${`${projection} ${left} ${right}`} projection=${projection} left=${left} right=${right} />`}`;
}

const NOTHING = { nodes: [], compared: 0, vehicles: null, outside: 0, notCompared: [], leftOut: 0, next: null, running: true, error: null };

function Comparison({ projection, left, right }) {
  const [state, setState] = useState(NOTHING);
  const [round, setRound] = useState({ after: null, max: SHOWN_MAX });
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const asked = async (after) => (await ask(COMPARISON, { projection, left, right, first: FIRST, after }, signal)).operations.comparison;
    const run = async () => {
      let found = round.after === null ? NOTHING : { ...state, running: true, error: null };
      setState(found);
      try {
        for await (const page of walk(asked, ({ pageInfo }) => (pageInfo.hasNextPage ? pageInfo.endCursor : null), signal, round.after)) {
          found = { ...withPage(found, page), running: page.pageInfo.hasNextPage };
          if (found.nodes.length >= round.max) found = { ...found, running: false };
          setState(found);
          if (!found.running) return;
        }
      } catch (error) {
        if (!signal.aborted) setState({ ...found, running: false, error });
      }
    };
    run();
    return () => stop.abort();
  }, [round]);
  const more = () => setRound({ after: state.next, max: state.nodes.length + SHOWN_MAX });
  const { nodes, error, running } = state;
  return html`<p role="status">${running && html`<span class="loading">${t("versions.running")}</span>`}
      ${state.vehicles !== null && html` ${t(running || state.next ? "versions.so.far" : "versions.found", { count: number(nodes.length), compared: number(state.compared), vehicles: number(state.vehicles) })}`}</p>
    ${error && html`<${Failed} error=${error} again=${state.next ? more : () => setRound({ after: null, max: SHOWN_MAX })} />`}
    ${state.notCompared.map((line) => html`<p key=${line} class="note">${line}</p>`)}
    ${state.outside > 0 && html`<p class="note">${t("versions.outside", { count: number(state.outside) })}</p>`}
    ${state.leftOut > 0 && html`<p class="note late">${t("versions.leftOut", { count: number(state.leftOut) })} <code>fleettwin compare</code></p>`}
    ${nodes.length > 0 ? html`<${Sums} nodes=${nodes} /><${Differences} nodes=${nodes} left=${left} right=${right} />` : !running && !error && html`<${Empty} text=${t("versions.nothing")} />`}
    ${!running && state.next && html`<p class="paging"><button type="button" onClick=${more}>${t("versions.more")}</button></p>`}`;
}

function withPage(found, page) {
  return {
    ...found,
    nodes: [...found.nodes, ...page.edges.map(({ node }) => node)],
    compared: found.compared + page.vehiclesCompared,
    vehicles: Number(page.vehicles),
    outside: found.outside + page.rowsOutside,
    notCompared: page.notCompared,
    leftOut: found.leftOut + page.leftOut.length,
    next: page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null,
  };
}

/** How many vehicles differ in what, by brand. */
function Sums({ nodes }) {
  const vehicles = new Map();
  for (const { vehicle, table, field, vehicleId } of nodes) {
    const key = JSON.stringify([vehicle?.brand ?? "–", table, field ?? t("versions.row")]);
    vehicles.set(key, (vehicles.get(key) ?? new Set()).add(vehicleId));
  }
  return html`<table class="sums"><thead><tr><th scope="col">${t("filter.brand")}</th><th scope="col">${t("versions.table")}</th><th scope="col">${t("versions.field")}</th><th scope="col" class="number">${t("versions.vehicles")}</th></tr></thead>
    <tbody>${[...vehicles].sort().map(([key, ids]) => html`<tr key=${key}>${JSON.parse(key).map((text) => html`<td>${text}</td>`)}<td class="number">${number(ids.size)}</td></tr>`)}</tbody></table>`;
}

function Differences({ nodes, left, right }) {
  const place = (event) => t("explain.version", { version: event.version, position: event.position === null ? "–" : number(Number(event.position)) });
  const value = (node, side) => {
    if (node.withheld) return html`<small class="status">${node.withheld}</small>`;
    if (node[side] === null) return html`<span class="hint">${t("versions.none")}</span>`;
    return node.field === null ? html`<details><summary>${t("versions.row")}</summary><pre>${JSON.stringify(node[side], null, 1)}</pre></details>` : String(typeof node[side] === "object" ? JSON.stringify(node[side]) : node[side]);
  };
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("part.compare")}><table class="differences">
    <thead><tr><th scope="col">${t("column.vehicle")}</th><th scope="col">${t("versions.table")}</th><th scope="col">${t("versions.field")}</th><th scope="col">v${left}</th><th scope="col">v${right}</th><th scope="col">${t("versions.first")}</th><th scope="col">${t("versions.last")}</th></tr></thead>
    <tbody>${nodes.map((node, index) => html`<tr key=${index}><th scope="row"><a href=${address(["vehicle", node.vehicleId, "events"])}>${node.vehicle?.vin ?? t("parked.unregistered")}</a></th>
      <td>${node.table}<small>${node.key.join(" ")}</small></td><td>${node.field ?? t("versions.row")}</td><td>${value(node, "left")}</td><td>${value(node, "right")}</td>
      <td>${node.firstEvent ? place(node.firstEvent) : html`${t("versions.unknown")}<small lang="en">${node.firstEventUnknown}</small>`}</td><td>${place(node.lastEvent)}</td></tr>`)}</tbody></table></div>`;
}
