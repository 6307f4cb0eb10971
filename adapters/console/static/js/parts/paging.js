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
    <button type="button" disabled=${!after} onClick=${turn(null)}>${t("paging.first")}</button>
    <button type="button" disabled=${!info.hasNextPage} onClick=${turn(info.endCursor)}>${t("paging.next")}</button>
  </nav>`;
}
