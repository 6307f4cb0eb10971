/** The time that every page looks at: live, or any moment, by the cars' clock or by ours. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { change, useRoute } from "../router.js";
import { useWhen } from "../time.js";
import { moment } from "../format.js";

const HOUR_MS = 3_600_000;
export const SPANS = { "1h": HOUR_MS, "6h": 6 * HOUR_MS, "24h": 24 * HOUR_MS, "7d": 168 * HOUR_MS, "30d": 720 * HOUR_MS };
const SPEEDS = [1, 10, 60, 600, 3600];
const STEPS = 1000;
const TICK_MS = 1_000;
/** The live end: nearer than this a moment is the present. */
const LIVE_MS = 2_000;

const localOf = (ms) => {
  const date = new Date(ms);
  return new Date(ms - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
};

export function TimeBar() {
  const { params } = useRoute();
  const when = useWhen();
  const span = SPANS[params.span] ? params.span : "24h";
  const [endMs, setEndMs] = useState(Date.now());
  const [playing, setPlaying] = useState(false);
  const speed = SPEEDS.includes(Number(params.speed)) ? Number(params.speed) : 60;
  const live = when.atMs === null;
  const shownEnd = live ? Date.now() : Math.max(when.atMs, params.until ? Date.parse(params.until) || endMs : endMs);
  const spanMs = SPANS[span];
  const begin = Math.min(shownEnd - spanMs, when.atMs ?? Infinity);
  const at = useRef(when.atMs);
  at.current = when.atMs;

  const goTo = (ms) => {
    if (ms >= Date.now() - LIVE_MS) {
      setPlaying(false);
      change({ at: null });
    } else change({ at: new Date(Math.round(ms)).toISOString() });
  };
  useEffect(() => {
    if (live) return undefined;
    setEndMs(Date.now());
    return undefined;
  }, [live, span]);
  useEffect(() => {
    if (!playing || live) return undefined;
    const timer = setInterval(() => goTo(at.current + speed * TICK_MS), TICK_MS);
    return () => clearInterval(timer);
  }, [playing, speed, live]);

  const slider = live ? STEPS : Math.round(((when.atMs - begin) / (shownEnd - begin)) * STEPS);
  return html`<section class=${`time-bar ${live ? "is-live" : "is-past"}`} aria-label=${t("time")}>
    <button type="button" class="live" aria-pressed=${live} onClick=${() => goTo(Infinity)}><span aria-hidden="true">●</span> ${t("time.live")}</button>
    <button type="button" disabled=${live} aria-pressed=${playing && !live} onClick=${() => setPlaying(!playing)}>${playing && !live ? `❚❚ ${t("time.pause")}` : `▶ ${t("time.play")}`}</button>
    <label><span class="hidden">${t("time.speed")}</span>
      <select value=${speed} onChange=${(event) => change({ speed: event.target.value })}>
        ${SPEEDS.map((each) => html`<option value=${each}>× ${each}</option>`)}
      </select></label>
    <label class="scrub"><span class="hidden">${t("time.scrub")}</span>
      <input type="range" min="0" max=${STEPS} value=${slider} aria-valuetext=${live ? t("time.live") : moment(new Date(when.atMs).toISOString())}
        onChange=${(event) => goTo(begin + (Number(event.target.value) / STEPS) * (shownEnd - begin))} /></label>
    <label><span class="hidden">${t("time.span")}</span>
      <select value=${span} onChange=${(event) => change({ span: event.target.value })}>
        ${Object.keys(SPANS).map((each) => html`<option value=${each}>${each}</option>`)}
      </select></label>
    <label><span class="hidden">${t("time.at")}</span>
      <input type="datetime-local" step="1" value=${localOf(live ? Math.floor(Date.now() / 60_000) * 60_000 : when.atMs)} max=${localOf(Date.now())}
        onChange=${(event) => event.target.value && goTo(Date.parse(event.target.value))} /></label>
    <label class="switch"><input type="checkbox" role="switch" checked=${params.by === "known"} onChange=${(event) => change({ by: event.target.checked ? "known" : null })} />
      <span title=${t("time.known.hint")}>${t(params.by === "known" ? "time.known" : "time.true")}</span></label>
  </section>`;
}
