/** What a view asks for, and how that stands. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { connection, passing, token } from "./api.js";
import { useWhen } from "./time.js";

const RETRY_MS = [2_000, 4_000, 8_000, 15_000, 30_000];

let unanswered = 0;

/** Whether every question has its answer; one that is tried again has none. */
export const allAnswered = () => unanswered === 0;

/** A question begins to wait for its first answer. @returns {() => void} what ends that, once */
export function awaited() {
  let waiting = true;
  unanswered += 1;
  return () => {
    unanswered -= waiting ? 1 : 0;
    waiting = false;
  };
}

/**
 * Ask when the key changes, when what is followed changes, and again after what can pass. What was there of the same group
 * stays until the answer comes.
 * @template T
 * @param {string} key
 * @param {(signal: AbortSignal) => Promise<T>} asked
 * @param {{followed?: ((onChanged: () => void, signal: AbortSignal) => void) | null, group?: string}} [options]
 * @returns {{data: T | null, error: Error | null, loading: boolean, reload: () => void, atMs: number | null}} atMs: the moment that the data are of; null: the present
 */
export function useLoad(key, asked, { followed = null, group = key } = {}) {
  const [state, setState] = useState({ key: null, group: null, data: null, error: null, atMs: null });
  const [round, setRound] = useState(0);
  const question = useRef(asked);
  question.current = asked;
  const { atMs } = useWhen();
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const answered = awaited();
    let stopWaiting = () => {};
    let failures = 0;
    let asking = false;
    let more = false;
    const turn = async () => {
      more = asking;
      if (asking) return;
      asking = true;
      stopWaiting();
      try {
        const data = await question.current(signal);
        failures = 0;
        answered();
        if (!signal.aborted) setState({ key, group, data, error: null, atMs });
      } catch (error) {
        if (signal.aborted) return;
        setState((was) => ({ key, group, data: was.key === key ? was.data : null, error, atMs }));
        const wait = waitOf(error, failures);
        failures += 1;
        if (wait === null) answered();
        else stopWaiting = again(wait, turn, signal);
      } finally {
        asking = false;
      }
      if (more && !signal.aborted) turn();
    };
    turn();
    followed?.(turn, signal);
    return () => {
      stop.abort();
      answered();
    };
  }, [key, followed === null, round, token.get()]);
  const reload = useCallback(() => setRound((count) => count + 1), []);
  const fresh = state.key === key;
  return { data: fresh || state.group === group ? state.data : null, error: fresh ? state.error : null, loading: !fresh, reload, atMs: state.atMs };
}

/** How long to wait before what failed is tried again; null: trying again does not help. */
export function waitOf(error, failures) {
  if (!passing(error) || connection.get() === "closed") return null;
  return error.retryAfterS ? error.retryAfterS * 1000 : RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
}

/** Do something after a while, or as soon as the connection is back; not after the signal. @returns {() => void} what prevents it */
export function again(waitMs, turn, signal) {
  const stop = () => {
    clearTimeout(timer);
    unfollow();
  };
  const go = () => {
    stop();
    turn();
  };
  const timer = setTimeout(go, waitMs);
  const unfollow = connection.follow((state) => state === "ok" && go());
  signal.addEventListener("abort", stop);
  return stop;
}

/** Follows nothing but the clock. */
export const every = (ms) => (onChanged, signal) => {
  const timer = setInterval(() => document.hidden || onChanged(), ms);
  signal.addEventListener("abort", () => clearInterval(timer));
};

/** Wait so long, or until the signal. */
export const pause = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    done();
  });
});

/** Wait until somebody looks at the page. */
export const looked = (signal) => new Promise((done) => {
  const look = () => {
    if (document.hidden && !signal.aborted) return;
    document.removeEventListener("visibilitychange", look);
    done();
  };
  document.addEventListener("visibilitychange", look);
  signal.addEventListener("abort", look);
  look();
});
