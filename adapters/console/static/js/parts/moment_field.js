/** A date and time, typed or picked: it is taken when it rests, and is not changed under the fingers of who types. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { localInput } from "../format.js";

const RESTS_MS = 700;
/** What is earlier is a year that is not typed to its end. */
const EARLIEST_MS = Date.UTC(2000);

/** @param {{ms: number, onMoment: (ms: number) => void}} shown the moment, in milliseconds since 1970 */
export function MomentField({ ms, onMoment }) {
  const field = useRef(null);
  const timer = useRef(null);
  const latest = useRef({});
  latest.current = { ms, onMoment };
  useEffect(() => {
    if (document.activeElement !== field.current) field.current.value = localInput(ms);
  }, [ms]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const take = () => {
    if (timer.current === null) return;
    clearTimeout(timer.current);
    timer.current = null;
    const taken = Date.parse(field.current.value);
    if (taken >= EARLIEST_MS) latest.current.onMoment(taken);
    else if (document.activeElement !== field.current) field.current.value = localInput(latest.current.ms);
  };
  const typed = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(take, RESTS_MS);
  };
  return html`<input ref=${field} type="datetime-local" step="1" max=${localInput(Date.now())} onInput=${typed} onBlur=${take} />`;
}
