/** How far the log, each stage and each version of a projection is. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { address } from "../router.js";
import { age, duration, number } from "../format.js";
import { every, useLoad } from "../load.js";
import { Digest } from "../parts/digest.js";
import { Empty, Loaded, Withheld } from "../parts/states.js";

const EVERY_MS = 2_000;
const STAGES = `{ status { logPosition projections { name version position lag parked } }
  operations { observedAt problem setAside stages { kind name waiting oldestWaitsS }
    projections { projection version shown state position lag parked afterPosition untilPosition vehicles filled toFill } } }`;

const count = (value) => number(Number(value));

export function StagesPart() {
  const load = useLoad("stages", (signal) => ask(STAGES, {}, signal), { followed: every(EVERY_MS) });
  return html`<${Loaded} load=${load}>${({ status, operations }) => html`
    <p>${t("pipeline.log", { position: count(status.logPosition) })}</p>
    ${operations ? html`<${Stages} seen=${operations} /><${Versions} rows=${operations.projections} log=${Number(status.logPosition)} />` : html`<${Withheld} scope="operations:read" /><${Versions} rows=${status.projections.map(asVersion)} log=${Number(status.logPosition)} withheld />`}
  `}<//>`;
}

/** What everybody may know of a version. */
const asVersion = ({ name, ...row }) => ({ projection: name, shown: null, state: "FOLLOWING", ...row });

function Stages({ seen }) {
  return html`<h2>${t("part.stages")} ${seen.observedAt && html`<small>${age(seen.observedAt, Date.now())}</small>`}</h2>
    ${seen.problem && html`<p class="note failed" role="alert"><strong>${t("stage.problem")}</strong> <span>${seen.problem}</span></p>`}
    ${seen.stages.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label=${t("part.stages")}><table class="stages">
      <thead><tr><th scope="col">${t("stage.stage")}</th><th scope="col">${t("stage.does")}</th><th scope="col" class="number">${t("stage.waiting")}</th><th scope="col" class="number">${t("stage.oldest")}</th></tr></thead>
      <tbody>${seen.stages.map((row) => html`<tr key=${row.name}><th scope="row">${row.name}</th><td>${t(`does.${row.kind}`)}</td>
        <td class="number">${row.waiting === null ? t("stage.unknown") : count(row.waiting)}</td>
        <td class="number">${row.oldestWaitsS === null ? t("stage.unknown") : row.oldestWaitsS === 0 ? "–" : duration(row.oldestWaitsS)}</td></tr>`)}</tbody></table></div>`}
    ${Number(seen.setAside) > 0 && html`<p class="bad">⚠ ${t("stage.setAside", { count: count(seen.setAside) })} <code>fleettwin set-aside list</code></p>`}`;
}

function Versions({ rows, log, withheld = false }) {
  if (!rows.length) return html`<p class="note">${t("pipeline.none")} <span class="hint">${t("pipeline.none.hint")} <code>fleettwin serve</code></span></p>`;
  return html`<h2>${t("pipeline.projections")}</h2>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("pipeline.projections")}><table class="versions">
      <thead><tr><th scope="col">${t("pipeline.projection")}</th><th scope="col">${t("pipeline.state")}</th><th scope="col" class="number">${t("pipeline.position")}</th>
        <th scope="col">${t("pipeline.progress")}</th><th scope="col" class="number">${t("pipeline.lag")}</th><th scope="col" class="number">${t("pipeline.parked")}</th>
        ${!withheld && html`<th scope="col">${t("pipeline.digest")}</th>`}</tr></thead>
      <tbody>${rows.map((row) => html`<${Version} key=${`${row.projection} ${row.version}`} row=${row} log=${log} withheld=${withheld} beside=${rows.find((each) => each.projection === row.projection && each.shown && each !== row)} />`)}</tbody></table></div>`;
}

function Version({ row, log, withheld, beside }) {
  const name = `${row.projection} v${row.version}`;
  return html`<tr><th scope="row">${name}</th>
    <td>${row.shown ? t("version.shown") : row.shown === false ? t(`version.${row.state}`) : ""}
      ${row.vehicles != null && html`<small>${t("version.vehicles", { count: count(row.vehicles) })}</small>`}
      ${Number(row.afterPosition) > 0 && html`<small>${t("version.after", { position: count(row.afterPosition) })}</small>`}
      ${beside && html`<small><a href=${address(["pipeline", "compare"], { projection: row.projection, left: beside.version, right: row.version })}>${t("version.compare", { version: beside.version })}</a></small>`}</td>
    <td class="number">${row.position == null ? "–" : count(row.position)}</td>
    <td><${Progress} row=${row} log=${log} name=${name} /></td>
    <td class="number">${row.lag == null ? "–" : count(row.lag)}</td>
    <td class="number">${row.parked ? html`<a class="bad" href=${address(["pipeline", "parked"])}>⚠ ${row.parked}</a>` : "0"}</td>
    ${!withheld && html`<td><${Digest} projection=${row.projection} version=${row.version} position=${row.position} /></td>`}</tr>`;
}

/** Of the log, or of what is to be filled. */
function Progress({ row, log, name }) {
  const [done, all] = row.state === "FILLING" ? [Number(row.filled), Number(row.toFill)] : [Number(row.position ?? row.untilPosition), Number(row.position == null ? row.untilPosition : log)];
  const share = all ? done / all : 1;
  const percent = number(Math.floor(share * 1000) / 10, 1);
  return html`<progress max=${Math.max(all, 1)} value=${all ? done : 1} aria-label=${name}></progress>
    <small>${row.state === "FILLING" ? t("version.filled", { percent, done: count(done), all: count(all) }) : t("version.percent", { percent })}</small>`;
}
