/** From page to page of a list; where a view is, is in the address. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { change, useRoute } from "../router.js";

/** @param {{info: {hasNextPage: boolean, endCursor: string | null}}} shown */
export function Paging({ info }) {
  const { after } = useRoute().params;
  if (!after && !info.hasNextPage) return null;
  const turn = (to) => (event) => {
    event.currentTarget.closest(".beside, main").scrollTo(0, 0);
    change({ after: to, trip: null }, { replace: false });
  };
  return html`<nav class="paging" aria-label=${t("paging")}>
    <${Turn} there=${Boolean(after)} onTurn=${turn(null)} text=${t("paging.first")} />
    <${Turn} there=${info.hasNextPage} onTurn=${turn(info.endCursor)} text=${t("paging.next")} />
  </nav>`;
}

/** It keeps the focus where it leads no further, so that keys go on from there. */
const Turn = ({ there, onTurn, text }) => html`<button type="button" aria-disabled=${there ? null : "true"} onClick=${there ? onTurn : null}>${text}</button>`;
