/** A signal over time; gaps stay gaps. The library is fetched when the first plot is shown. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { GAP_S, signalHistory, stretches, withGaps } from "../history.js";
import { moment, number, quantity, readingOfAll, tick } from "../format.js";
import { every, useLoad } from "../load.js";
import { useWhen } from "../time.js";
import { moduleOf } from "./later.js";
import { Empty, Loaded, Withheld } from "./states.js";

const HEIGHT_PX = 220;
/** Half of a moment as it is written below a plot, which is under its tick also at the edges. */
const HALF_TICK_PX = 56;
const EVERY_MS = 10_000;
/** More words than this have no room beside a plot, and longer ones are cut; all are in the table of their changes. */
const WORDS_MAX = 8;
const LETTERS_MAX = 24;
const CHANGES_MAX = 200;

let style = null;

/** The library, with its style sheet. */
async function fetched() {
  style ??= new Promise((done, failed) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/console/vendor/uplot/uPlot.min.css", onload: done, onerror: failed });
    document.head.append(link);
  });
  style.catch(() => (style = null));
  const [library] = await Promise.all([import("uplot"), style]);
  return library;
}

/** @param {{id: string, path: string, unit: string | null}} shown */
export function Plot({ id, path, unit }) {
  const when = useWhen();
  const load = useLoad(`plot ${id} ${path} ${when.key}`, async (signal) => {
    const [library, history] = await Promise.all([moduleOf(fetched, signal), signalHistory(id, path, when, signal)]);
    return { Library: library.default, ...history };
  }, { followed: when.atMs === null ? every(EVERY_MS) : null, group: id });
  const points = load.data?.points ?? [];
  const words = wordsOf(points);
  const read = words ? { sign: "", of: (value) => words.indexOf(value) } : readingOfAll(unit, points.reduce((most, [, value]) => Math.max(most, Math.abs(value)), 0));
  return html`<figure class="plot"><figcaption><code>${path}</code> <span>${read.sign}</span> <small>${t("plot.gaps", { minutes: GAP_S / 60 })}</small></figcaption>
    <${Loaded} load=${load}>${({ Library, more, ...lacking }) => (points.length ? html`
      ${!(words?.length > WORDS_MAX) && html`<${Chart} Library=${Library} points=${points} path=${path} read=${read} words=${words} />`}
      ${words && html`<${Changes} points=${points} />`}
      ${more && html`<small class="hint">${t("plot.more")}</small>`}` : html`<${None} ...${lacking} />`)}<//></figure>`;
}

/** The words of a signal that has no numbers, sorted; null: it has numbers. */
function wordsOf(points) {
  if (points.every(([, value]) => typeof value === "number")) return null;
  return [...new Set(points.map(([, value]) => value))].sort();
}

const shown = (value) => quantity(value, null);
const short = (text) => (text.length > LETTERS_MAX ? `${text.slice(0, LETTERS_MAX - 1)}…` : text);

/** When words changed, the newest first; gaps stay gaps. */
function Changes({ points }) {
  const rows = stretches(points).reverse();
  const at = (seconds) => (seconds === null ? "–" : moment(new Date(seconds * 1000).toISOString()));
  return html`<div class="scroll changes" tabindex="0" role="region" aria-label=${t("plot.changes")}><table>
    <thead><tr><th scope="col">${t("signal.value")}</th><th scope="col">${t("plot.from")}</th><th scope="col">${t("plot.until")}</th></tr></thead>
    <tbody>${rows.slice(0, CHANGES_MAX).map(({ value, from, until }) => html`<tr key=${`${from} ${value}`}>${value === null ? html`<td class="hint">${t("plot.nothing")}</td>` : html`<th scope="row">${shown(value)}</th>`}
      <td>${at(from)}</td><td>${at(until)}</td></tr>`)}</tbody></table></div>
    ${rows.length > CHANGES_MAX && html`<small class="hint">${t("plot.more")}</small>`}`;
}

function None({ scope, withheld }) {
  if (scope) return html`<${Withheld} scope=${scope} />`;
  return withheld ? html`<${Empty} text=${t("plot.withheld")} hint=${withheld} />` : html`<${Empty} text=${t("plot.none")} />`;
}

/** Room for what is written beside an axis. */
function room(plot, values, index, cycle) {
  const axis = plot.axes[index];
  if (cycle > 1) return axis._size; // it is not to swing to and fro
  plot.ctx.font = axis.font[0];
  const widest = (values ?? []).reduce((most, text) => Math.max(most, plot.ctx.measureText(text).width), 0);
  return Math.max(HALF_TICK_PX, Math.ceil(axis.ticks.size + axis.gap + widest / devicePixelRatio) + 4);
}

/** @param {{read: {sign: string, digits?: number, of: Function}, words: any[] | null}} shown words: those that it has in place of numbers */
function Chart({ Library, points, path, read, words }) {
  const place = useRef(null);
  const chart = useRef(null);
  const newest = useRef(null);
  const { sign, digits, of } = read;
  const [times, values] = withGaps(points);
  const columns = [times, values.map((value) => (value === null ? null : of(value)))];
  newest.current = columns;
  const drawn = `${points.length} ${points.at(-1)[0]} ${sign}`;
  useEffect(() => {
    const make = () => {
      chart.current?.destroy();
      const style = getComputedStyle(place.current);
      const colour = (name) => style.getPropertyValue(`--${name}`).trim();
      const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
      chart.current = new Library({
        width: place.current.clientWidth, height: HEIGHT_PX, padding: [null, HALF_TICK_PX, null, null], legend: { show: false }, cursor: { drag: { x: true } },
        scales: words ? { y: { range: [-0.5, words.length - 0.5] } } : {},
        series: [{}, { stroke: colour("accent"), width: words ? 3 : 1.5, spanGaps: false, points: { show: points.length < 200, size: 4 }, ...words && { paths: Library.paths.stepped({ align: 1 }) } }],
        axes: [{ ...axis, space: 110, values: (_, ticks) => ticks.map(tick) },
          { ...axis, size: room, values: (_, ticks) => ticks.map((each) => (words ? short(shown(words[each])) : number(each, 4))), ...words && { splits: () => words.map((_, index) => index) } }],
      }, newest.current, place.current);
    };
    make();
    const box = place.current; // the observer may outlive the page's hold on it
    const sizes = new ResizeObserver(() => chart.current.setSize({ width: box.clientWidth, height: HEIGHT_PX }));
    sizes.observe(box);
    addEventListener("repaint", make);
    return () => {
      sizes.disconnect();
      removeEventListener("repaint", make);
      chart.current.destroy();
    };
  }, [Library, words?.join("\n")]);
  useEffect(() => chart.current?.setData(columns), [drawn]);
  const known = columns[1].filter((value) => value !== null);
  const [least, most] = [Math.min, Math.max].map((of) => known.reduce((one, other) => of(one, other)));
  const said = words ? t("plot.words", { path, count: points.length, words: words.map(shown).join(", ") }) : `${t("plot.label", { path, count: points.length, least: number(least, digits), most: number(most, digits) })} ${sign}`.trim();
  return html`<div ref=${place} role="img" aria-label=${said} data-points=${points.length} data-gaps=${columns[1].filter((each) => each === null).length}></div>`;
}
