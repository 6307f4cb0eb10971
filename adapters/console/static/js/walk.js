/** A list that is read page by page to its end, however long that takes. */
import { pause, waitOf } from "./load.js";

/**
 * Every page of a list; what passes is waited for.
 * @template T
 * @param {(after: string | null, signal: AbortSignal) => Promise<T>} asked
 * @param {(page: T) => string | null} next the cursor after which the next page comes; null: it is the last
 * @param {AbortSignal} signal
 * @param {string | null} [after] the cursor after which to begin
 * @yields {T}
 */
export async function* walk(asked, next, signal, after = null) {
  let failures = 0;
  for (;;) {
    let page = null;
    try {
      page = await asked(after, signal);
      failures = 0;
    } catch (error) {
      const wait = signal.aborted ? null : waitOf(error, failures);
      failures += 1;
      if (wait === null) throw error;
      await pause(wait, signal);
    }
    if (signal.aborted) return;
    if (page === null) continue;
    yield page;
    after = next(page);
    if (after === null) return;
  }
}
