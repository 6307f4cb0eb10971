/** A signal over time; gaps stay gaps. The library is fetched when the first plot is shown. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { GAP_S, signalHistory, withGaps } from "../history.js";
import { number, reading, tick } from "../format.js";
import { every, useLoad } from "../load.js";
import { useWhen } from "../time.js";
import { Empty, Loaded } from "./states.js";

const HEIGHT_PX = 220;
const EVERY_MS = 10_000;

/** @param {{id: string, path: string, unit: string | null}} shown */
export function Plot({ id, path, unit }) {
  const when = useWhen();
  const load = useLoad(`plot ${id} ${path} ${when.key}`, async (signal) => {
    const [library, history] = await Promise.all([import("uplot"), signalHistory(id, path, when, signal)]);
    return { Library: library.default, ...history };
  }, { followed: when.atMs === null ? every(EVERY_MS) : null, group: id });
  return html`<figure class="plot"><figcaption><code>${path}</code> <span>${reading(unit).sign}</span> <small>${t("plot.gaps", { minutes: GAP_S / 60 })}</small></figcaption>
    <${Loaded} load=${load}>${({ Library, points, more }) => (points.length ? html`<${Chart} Library=${Library} points=${points} path=${path} unit=${unit} />
      ${more && html`<small class="hint">${t("plot.more")}</small>`}` : html`<${Empty} text=${t("plot.none")} />`)}<//></figure>`;
}

function Chart({ Library, points, path, unit }) {
  const place = useRef(null);
  const chart = useRef(null);
  const newest = useRef(null);
  const { sign, digits, of } = reading(unit);
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
        width: place.current.clientWidth, height: HEIGHT_PX, legend: { show: false }, cursor: { drag: { x: true } },
        series: [{}, { stroke: colour("accent"), width: 1.5, spanGaps: false, points: { show: points.length < 200, size: 4 } }],
        axes: [{ ...axis, space: 90, values: (_, ticks) => ticks.map(tick) }, { ...axis, size: 70, values: (_, ticks) => ticks.map((each) => number(each, 4)) }],
      }, newest.current, place.current);
    };
    make();
    const sizes = new ResizeObserver(() => chart.current.setSize({ width: place.current.clientWidth, height: HEIGHT_PX }));
    sizes.observe(place.current);
    addEventListener("repaint", make);
    return () => {
      sizes.disconnect();
      removeEventListener("repaint", make);
      chart.current.destroy();
    };
  }, [Library]);
  useEffect(() => chart.current?.setData(columns), [drawn]);
  const known = columns[1].filter((value) => value !== null);
  const [least, most] = [Math.min, Math.max].map((of) => known.reduce((one, other) => of(one, other)));
  const said = `${t("plot.label", { path, count: points.length, least: number(least, digits), most: number(most, digits) })} ${sign}`.trim();
  return html`<div ref=${place} role="img" aria-label=${said} data-points=${points.length} data-gaps=${columns[1].filter((each) => each === null).length}></div>`;
}
