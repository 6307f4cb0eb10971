/** Parts of the console that are fetched when they are first shown. */
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.js";
import { ask, passing } from "../api.js";
import { useLoad } from "../load.js";
import { Failed, Loading } from "./states.js";

const ALIVE = "{ __typename }";

/**
 * A module. That it cannot be fetched tells nothing of why: whether the server answers is asked of the API, which tells
 * every part of the page what it means; where it does, it may have come back just now.
 * @template T
 * @param {() => Promise<T>} fetched
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export async function moduleOf(fetched, signal) {
  try {
    return await fetched();
  } catch {
    await ask(ALIVE, {}, signal);
    return fetched();
  }
}

/**
 * A component that is fetched when it is first shown; where the server is away, once it is back.
 * @param {() => Promise<Function>} fetched
 */
export function later(fetched) {
  let Found = null;
  return function Later(shown) {
    const [, draw] = useState(0);
    const there = (component) => {
      Found = component;
      draw((count) => count + 1);
    };
    return Found ? html`<${Found} ...${shown} />` : html`<${Fetching} fetched=${fetched} there=${there} />`;
  };
}

function Fetching({ fetched, there }) {
  const { data, error, reload } = useLoad("module", (signal) => moduleOf(fetched, signal));
  useEffect(() => {
    if (data) there(data);
  }, [data]);
  if (!error) return html`<${Loading} />`;
  return html`<${Failed} error=${error} again=${passing(error) ? reload : () => location.reload()} />`; // another release may have other modules
}
