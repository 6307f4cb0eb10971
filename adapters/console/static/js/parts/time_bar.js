/** The time that every page looks at: live, or any moment, by the cars' clock or by ours. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { connection } from "../api.js";
import { allAnswered } from "../load.js";
import { change, useRoute } from "../router.js";
import { useStore } from "../store.js";
import { useClock, useWhen } from "../time.js";
import { moment } from "../format.js";
import { MomentField } from "./moment_field.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SPANS = { __proto__: null, "1h": HOUR_MS, "6h": 6 * HOUR_MS, "24h": 24 * HOUR_MS, "7d": 168 * HOUR_MS, "30d": 720 * HOUR_MS };
const SPEEDS = [1, 10, 60, 600, 3600];
const STEPS = 1000;
const TICK_MS = 1_000;
/** The live end: nearer than this a moment is the present. */
const LIVE_MS = 2_000;

export function TimeBar() {
  const { params } = useRoute();
  const when = useWhen();
  useClock(TICK_MS); // the live end goes on
  const [playing, setPlaying] = useState(false);
  const [draggedMs, setDragged] = useState(null);
  const span = SPANS[params.span] ? params.span : "24h";
  const speed = SPEEDS.includes(Number(params.speed)) ? Number(params.speed) : 60;
  const live = when.atMs === null;
  const lost = useStore(connection) === "lost" && live;
  const [begin, end, untilNow] = useWindow(when.atMs, SPANS[span]);
  const goTo = (ms) => {
    if (ms < Date.now() - LIVE_MS) change({ at: new Date(Math.round(ms)).toISOString(), after: null });
    else {
      setPlaying(false);
      change({ at: null, after: null });
    }
  };
  usePlaying(playing && !live, when.atMs, speed, goTo);
  const shownMs = draggedMs === Infinity ? null : draggedMs ?? when.atMs;
  const slider = shownMs === null ? STEPS : Math.round(((shownMs - begin) / (end - begin)) * STEPS);
  const shown = shownMs === null ? t("time.live") : moment(new Date(shownMs).toISOString());
  const scrubbed = ({ target: { value } }) => (untilNow && Number(value) === STEPS ? Infinity : begin + (Number(value) / STEPS) * (end - begin));
  return html`<section class=${`time-bar ${lost ? "is-lost" : live ? "is-live" : "is-past"}`} aria-label=${t("time")}>
    <button type="button" class="live" aria-pressed=${live} onClick=${() => goTo(Infinity)}><span aria-hidden="true">${lost ? "○" : "●"}</span> ${t(lost ? "time.lost" : "time.live")}</button>
    <button type="button" class="play" aria-disabled=${live ? "true" : null} aria-pressed=${playing && !live} onClick=${() => live || setPlaying(!playing)}>
      <span aria-hidden="true">${playing && !live ? "❚❚" : "▶"}</span> <span>${t(playing && !live ? "time.pause" : "time.play")}</span></button>
    <label class="scrub"><span class="hidden">${t("time.scrub")}</span>
      <input type="range" min="0" max=${STEPS} value=${slider} aria-valuetext=${shown}
        onInput=${(event) => setDragged(scrubbed(event))} onChange=${(event) => {
          setDragged(null);
          goTo(scrubbed(event));
        }} /></label>
    <label><span class="hidden">${t("time.span")}</span>
      <select value=${span} onChange=${(event) => change({ span: event.target.value })}>
        ${Object.keys(SPANS).map((each) => html`<option value=${each}>${each}</option>`)}
      </select></label>
    <label><span class="hidden">${t("time.speed")}</span>
      <select value=${speed} onChange=${(event) => change({ speed: event.target.value })}>
        ${SPEEDS.map((each) => html`<option value=${each}>× ${each}</option>`)}
      </select></label>
    <label><span class="hidden">${t("time.at")}</span>
      <${MomentField} ms=${shownMs ?? Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS} onMoment=${goTo} /></label>
    <label title=${t("time.known.hint")}><span class="hidden">${t("time.clock")}</span>
      <select value=${params.by === "known" ? "known" : ""} onChange=${(event) => change({ by: event.target.value || null, after: null })}>
        <option value="">${t("time.true")}</option><option value="known">${t("time.known")}</option>
      </select></label>
  </section>`;
}

/** In place of the scrubber where there is no past: says so, and at what moment the other pages stay. */
export function NowBar() {
  const { atMs } = useWhen();
  return html`<section class="time-bar" aria-label=${t("time")}>
    <label class="scrub"><span class="hidden">${t("time.scrub")}</span><input type="range" max="1" value="1" disabled aria-describedby="now-only" /></label>
    <span id="now-only">${t("time.now")} ${atMs !== null && t("time.now.kept", { at: moment(new Date(atMs).toISOString()) })}</span>
  </section>`;
}

/**
 * From when until when the scrubber goes: until now, or round a moment that is further back; it stays while one is in it.
 * The end of one until now is the present, which goes on.
 * @returns {[number, number, boolean]} begin and end in milliseconds since 1970, whether it goes until now
 */
function useWindow(atMs, spanMs) {
  const kept = useRef([0, 0, false]);
  const now = Date.now();
  const [begin, end] = kept.current;
  const fits = end - begin === spanMs && (atMs === null ? now - end < spanMs / STEPS : atMs >= begin && atMs <= end);
  if (!fits) {
    const until = atMs === null || atMs > now - spanMs ? now : atMs + spanMs / 2;
    kept.current = [until - spanMs, until, until === now];
  }
  return kept.current;
}

/** Move on with the time, `speed` times as fast as it goes; where answers take longer, each moment is waited for. */
function usePlaying(playing, atMs, speed, goTo) {
  const latest = useRef({});
  latest.current = { atMs, goTo };
  useEffect(() => {
    if (!playing) return undefined;
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
      if (!allAnswered()) return;
      latest.current.goTo(latest.current.atMs + ticks * speed * TICK_MS);
      ticks = 0;
    }, TICK_MS);
    return () => clearInterval(timer);
  }, [playing, speed]);
}
