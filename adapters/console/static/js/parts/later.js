/** Parts of the console that are fetched when they are first shown. */
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.js";
import { Failed, Loading } from "./states.js";

/**
 * A component that is fetched when it is first shown.
 * @param {() => Promise<Function>} fetched
 */
export function later(fetched) {
  let Found = null;
  return function Later(shown) {
    const [state, setState] = useState({ error: null, round: 0 });
    useEffect(() => {
      if (Found) return;
      fetched().then((component) => {
        Found = component;
        setState({ error: null, round: state.round });
      }, (error) => setState({ error, round: state.round }));
    }, [state.round]);
    if (Found) return html`<${Found} ...${shown} />`;
    return state.error ? html`<${Failed} error=${state.error} again=${() => location.reload()} />` : html`<${Loading} />`;
  };
}
