/** What the browser keeps for the console; where it may keep nothing, that is forgotten with the page. */

/** @param {"localStorage" | "sessionStorage"} name beyond the tab, or with it */
function storage(name) {
  try {
    return window[name];
  } catch {
    const kept = new Map();
    return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  }
}

export const ofBrowser = storage("localStorage");
export const ofTab = storage("sessionStorage");
