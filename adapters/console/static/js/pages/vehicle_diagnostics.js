/** How a vehicle is: energy, distance, trouble codes, warnings, tyres. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { address } from "../router.js";
import { duration, moment, number, quantity } from "../format.js";
import { DIAGNOSTICS } from "../twin.js";
import { Late } from "../parts/late.js";
import { Empty, Loaded } from "../parts/states.js";
import { Told, Value } from "../parts/value.js";
import { useTwin } from "./vehicle.js";

const NAMES = ["stateOfCharge", "isCharging", "batteryEnergy", "odometer", "ignition", "lowVoltage", "outsideTemperature", "fuelLevel", "engineSpeed", "coolantTemperature"];
/** What is counted of the telemetry, and the events that tell it. */
const QUALITY = { gaps: "vehicle.telemetry_gap_detected.v1", late: "vehicle.late_samples_recorded.v1", clock: "vehicle.clock_corrected.v1" };

export function DiagnosticsPart({ id }) {
  const load = useTwin(DIAGNOSTICS, id);
  return html`<${Loaded} load=${load}>${({ vehicle }) => (vehicle ? html`<${Shown} id=${id} diagnostics=${vehicle.diagnostics} tyres=${vehicle.tyres} />` : html`<${Empty} text=${t("vehicle.none")} />`)}<//>`;
}

function Shown({ id, diagnostics, tyres }) {
  const { troubleCodes, warnings, chargingSessions, telemetryQuality } = diagnostics;
  return html`
    <h2>${t("diag.codes")}</h2><${Codes} codes=${troubleCodes} />
    <h2>${t("diag.warnings")}</h2><${Warnings} warnings=${warnings} />
    <h2>${t("diag.values")}</h2>
    <dl class="values wide">
      ${NAMES.map((name) => html`<${Value} key=${name} label=${t(`diag.${name}`)} value=${diagnostics[name]} />`)}
      ${tyres.map((each) => html`<${Value} key=${each.path} label=${t("diag.tyre", { where: wheel(each.path) })} value=${each} />`)}
    </dl>
    <h2>${t("diag.charging")}</h2><${Charging} sessions=${chargingSessions} />
    ${telemetryQuality && html`<h2>${t("diag.quality")}</h2><${Quality} id=${id} quality=${telemetryQuality} />`}`;
}

function Quality({ id, quality }) {
  const counts = Object.fromEntries(Object.entries(quality).map(([name, count]) => [name, number(Number(count))]));
  return html`<p>${Object.entries(QUALITY).map(([name, type], index) => html`${index > 0 && ", "}<a href=${address(["vehicle", id, "events"], { type })}>${t(`quality.${name}`, counts)}</a>`)}</p>`;
}

/** "Row1 left" of Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure. */
function wheel(path) {
  const [row, side] = [/Row(\d)/.exec(path)?.[1], /Wheel\.(\w+)/.exec(path)?.[1]];
  return `${row === "1" ? t("front") : t("rear")} ${side === "Left" ? t("left") : t("right")}`;
}

function Codes({ codes }) {
  if (codes === null) return html`<${Empty} text=${t("withheld")} hint="diagnostics:read" />`;
  if (!codes.length) return html`<${Empty} text=${t("diag.codes.none")} />`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("diag.codes")}><table>
    <thead><tr><th scope="col">${t("code.code")}</th><th scope="col">${t("code.ecu")}</th><th scope="col">${t("code.status")}</th><th scope="col">${t("code.meaning")}</th>
      <th scope="col">${t("code.first")}</th><th scope="col">${t("code.last")}</th><th scope="col">${t("code.frame")}</th></tr></thead>
    <tbody>${codes.map((code) => html`<tr key=${`${code.ecu} ${code.service} ${code.code} ${code.failureType}`}>
      <th scope="row"><${Told} by=${code.eventId}>${code.code}${code.failureType == null ? "" : `-${code.failureType.toString(16).toUpperCase().padStart(2, "0")}`}<//></th>
      <td>${code.ecu}<small>${code.service}</small></td>
      <td>${code.active ? html`<span class="state fault"><span class="sign" aria-hidden="true">✖</span>${t("code.active")}</span>` : t(code.held ? "code.held" : "code.past")}
        ${code.status && html`<small>${bits(code.status)}</small>`}</td>
      <td lang="en">${[code.explanation.system, code.explanation.group, code.explanation.failureType ?? code.explanation.category].filter(Boolean).join(", ")}</td>
      <td>${moment(code.firstSeenAt)}</td><td>${moment(code.clearedAt ?? code.lastSeenAt)} <${Late} from=${code.clearedAt ?? code.capturedAt} to=${code.receivedAt} /></td>
      <td>${code.freezeFrame.length ? html`<details><summary>${t("code.frame.count", { count: code.freezeFrame.length })}</summary>
        <dl class="frame">${code.freezeFrame.map((each) => html`<div key=${each.path}><dt title=${each.path}>${each.path.split(".").slice(-2).join(" ")}</dt><dd>${quantity(each.value, each.unit)}</dd></div>`)}</dl></details>` : "–"}</td>
    </tr>`)}</tbody></table></div>`;
}

function bits(status) {
  const names = ["testFailed", "pending", "confirmed", "warningIndicatorRequested"].filter((name) => status[name]).map((name) => t(`code.${name}`));
  return `0x${status.byte.toString(16).toUpperCase().padStart(2, "0")} ${names.join(", ")}`;
}

function Warnings({ warnings }) {
  if (warnings === null) return html`<${Empty} text=${t("withheld")} hint="diagnostics:read" />`;
  if (!warnings.length) return html`<${Empty} text=${t("diag.warnings.none")} />`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("diag.warnings")}><table><thead><tr><th scope="col">${t("warning.name")}</th><th scope="col">${t("warning.state")}</th><th scope="col" class="number">${t("warning.value")}</th>
      <th scope="col" class="number">${t("warning.limit")}</th><th scope="col">${t("warning.at")}</th></tr></thead>
    <tbody>${warnings.map((each) => html`<tr key=${each.warning}><th scope="row"><${Told} by=${each.eventId}>${each.warning}<//></th>
      <td>${each.raised ? html`<span class="state fault"><span class="sign" aria-hidden="true">✖</span>${t("warning.raised")}</span>` : t("warning.cleared")}</td>
      <td class="number">${quantity(each.value, each.unit)}</td><td class="number">${quantity(each.limit, each.unit)}</td><td>${moment(each.capturedAt)} <${Late} from=${each.capturedAt} to=${each.receivedAt} /></td></tr>`)}</tbody></table></div>`;
}

function Charging({ sessions }) {
  if (sessions === null) return html`<${Empty} text=${t("withheld")} hint="diagnostics:read" />`;
  if (!sessions.edges.length) return html`<${Empty} text=${t("diag.charging.none")} />`;
  const percent = (value) => (value == null ? "?" : number(value, 1));
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("diag.charging")}><table><thead><tr><th scope="col">${t("trip.started")}</th><th scope="col" class="number">${t("trip.duration")}</th><th scope="col" class="number">${t("diag.stateOfCharge")}</th><th scope="col" class="number">${t("trip.energy")}</th></tr></thead>
    <tbody>${sessions.edges.map(({ node }) => html`<tr key=${node.startedAt}><th scope="row">${node.foundCharging && html`<span title=${t("diag.charging.found")}>≤ </span>`}${moment(node.startedAt)} <${Late} from=${node.endedAt ?? node.startedAt} to=${node.receivedAt} /></th>
      <td class="number">${node.endedAt ? duration((Date.parse(node.endedAt) - Date.parse(node.startedAt)) / 1000) : html`<span class="state charging"><span class="sign" aria-hidden="true">◆</span> ${t("diag.charging.now")}</span>`}</td>
      <td class="number"><${Told} by=${node.eventId}>${percent(node.startPercent)} → ${percent(node.endPercent)} %<//></td><td class="number">${quantity(node.energyAddedKwh, "kWh")}</td></tr>`)}</tbody></table></div>`;
}
