/** The moment that is looked at: the present, or a time of the cars' clock (asOf) or of ours (knownAt). */
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { useRoute } from "./router.js";

/** @typedef {{atMs: number | null, asOf: string | null, knownAt: string | null, key: string}} When */

/** @returns {When} */
export function whenOf({ params }) {
  const ms = params.at ? Date.parse(params.at) : NaN;
  if (Number.isNaN(ms)) return { atMs: null, asOf: null, knownAt: null, key: "live" };
  const iso = new Date(ms).toISOString();
  const known = params.by === "known";
  return { atMs: ms, asOf: known ? null : iso, knownAt: known ? iso : null, key: `${known ? "known" : "true"} ${iso}` };
}

/** @returns {When} */
export const useWhen = () => whenOf(useRoute());

/** Draw a component anew with the clock: ages grow while nothing else changes. */
export function useClock(everyMs) {
  const [, draw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => draw((count) => count + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
}

/** The moment that what is shown is of, in milliseconds since 1970; null: the present. While another one is asked for, it is the one before. */
export const ShownMoment = createContext(null);

/** The moment that ages count from, in milliseconds since 1970. @returns {number} */
export const useNowMs = () => useContext(ShownMoment) ?? Date.now();
