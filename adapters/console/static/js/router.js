/** Which view is shown: `#/page/part?name=value`, so that every view can be shared and reloaded. */
import { store, useStore } from "./store.js";

/** Parameters that stay when another page is opened: the time that is looked at belongs to all pages, and so does its scrubber. */
const KEPT = ["at", "by", "span", "speed"];

/** @typedef {{parts: string[], params: Record<string, string>}} Route */

/** @returns {Route} */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { parts: parts.length ? parts : ["fleet"], params: Object.fromEntries(new URLSearchParams(query)) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const route = store(parse(location.hash));
addEventListener("hashchange", () => route.set(parse(location.hash)));

/** @returns {Route} */
export const useRoute = () => useStore(route);

/** @returns {Route} */
export const currentRoute = () => route.get();

/**
 * The address of a view; what is empty is left out.
 * @param {string[]} parts
 * @param {Record<string, string | null | undefined>} params
 */
export function address(parts, params = {}) {
  const kept = Object.fromEntries(KEPT.map((name) => [name, route.get().params[name]]));
  const given = Object.entries({ ...kept, ...params }).filter(([, value]) => value != null && value !== "");
  const query = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}

/** Open a view; `over`: it lies over the one before, and is closed by going back there. */
export function go(parts, params = {}, { replace = false, over = false } = {}) {
  const target = address(parts, params);
  if (target === location.hash) return;
  if (replace) history.replaceState(history.state, "", target);
  else history.pushState(over ? { over } : null, "", target);
  route.set(parse(target));
}

/** Change parameters of this view, and keep the others. */
export function change(params, { replace = true, over = false } = {}) {
  const { parts, params: now } = route.get();
  go(parts, { ...now, ...params }, { replace: replace && !over, over });
}

/** Close what lies over a view by changing these parameters back; what else has changed since it was opened stays. */
export function close(params) {
  if (!history.state?.over) return change(params);
  const { parts, params: now } = route.get();
  addEventListener("hashchange", () => go(parts, { ...now, ...params }, { replace: true }), { once: true });
  history.back();
  return undefined;
}
