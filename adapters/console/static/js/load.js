/** What a view asks for, and how that stands. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { connection, token } from "./api.js";

const RETRY_MS = [2_000, 4_000, 8_000, 15_000, 30_000];

/**
 * Ask when the key changes, again every `everyMs`, and again after what can pass. What was there of the same group stays
 * until the answer comes.
 * @template T
 * @param {string} key
 * @param {(signal: AbortSignal) => Promise<T>} asked
 * @param {{everyMs?: number | null, group?: string}} [options]
 * @returns {{data: T | null, error: Error | null, loading: boolean, reload: () => void}}
 */
export function useLoad(key, asked, { everyMs = null, group = key } = {}) {
  const [state, setState] = useState({ key: null, group: null, data: null, error: null });
  const [round, setRound] = useState(0);
  const question = useRef(asked);
  question.current = asked;
  useEffect(() => {
    const stop = new AbortController();
    let timer = null;
    let failures = 0;
    const turn = async () => {
      try {
        const data = await question.current(stop.signal);
        failures = 0;
        if (!stop.signal.aborted) setState({ key, group, data, error: null });
        if (everyMs) timer = setTimeout(turn, everyMs);
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((was) => ({ key, group, data: was.key === key ? was.data : null, error }));
        const wait = waitOf(error, failures);
        failures += 1;
        if (wait !== null) timer = setTimeout(turn, wait);
      }
    };
    turn();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, everyMs, round, token.get()]);
  const reload = useCallback(() => setRound((count) => count + 1), []);
  const fresh = state.key === key;
  return { data: fresh || state.group === group ? state.data : null, error: fresh ? state.error : null, loading: !fresh, reload };
}

/** How long to wait before what failed is tried again; null: trying again does not help. */
export function waitOf(error, failures) {
  if (error.retryAfterS) return error.retryAfterS * 1000;
  const passing = error.code === "CONNECTION_LOST" || error.code === "SERVICE_UNAVAILABLE";
  return passing && connection.get() !== "closed" ? RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] : null;
}
