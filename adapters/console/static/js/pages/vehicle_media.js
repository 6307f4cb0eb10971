/** What a vehicle plays and has played. */
import { html } from "../html.js";
import { t } from "../i18n.js";
import { useRoute } from "../router.js";
import { moment } from "../format.js";
import { MEDIA } from "../twin.js";
import { Late } from "../parts/late.js";
import { Paging } from "../parts/paging.js";
import { Empty, Loaded } from "../parts/states.js";
import { Told, Value } from "../parts/value.js";
import { useTwin } from "./vehicle.js";

const NAMES = ["title", "artist", "album", "source", "playback", "volume"];

export function MediaPart({ id }) {
  const { params } = useRoute();
  const load = useTwin(MEDIA, id, { after: params.after ?? null });
  return html`<${Loaded} load=${load}>${({ vehicle }) => (vehicle ? html`
    <h2>${t("media.now")}</h2>
    <dl class="values wide">${NAMES.map((name) => html`<${Value} key=${name} label=${t(`media.${name}`)} value=${vehicle.media[name]} />`)}</dl>
    <h2>${t("media.history")}</h2>
    <${History} page=${vehicle.media.playHistory} />` : html`<${Empty} text=${t("vehicle.none")} />`)}<//>`;
}

function History({ page }) {
  if (page === null) return html`<${Empty} text=${t("withheld")} hint="media:read" />`;
  if (!page.edges.length) return html`<${Empty} text=${t("media.none")} />`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("media.history")}><table>
    <thead><tr><th scope="col">${t("media.started")}</th><th scope="col">${t("media.title")}</th><th scope="col">${t("media.artist")}</th>
      <th scope="col">${t("media.album")}</th><th scope="col">${t("media.source")}</th></tr></thead>
    <tbody>${page.edges.map(({ node }) => html`<tr key=${node.startedAt}><td>${node.foundPlaying && html`<span title=${t("media.found")}>≤ </span>`}${moment(node.startedAt)} <${Late} from=${node.startedAt} to=${node.receivedAt} /></td>
      <th scope="row"><${Told} by=${node.eventId}>${node.title}<//></th><td>${node.artist}</td><td>${node.album}</td><td>${node.source}</td></tr>`)}</tbody></table></div>
    <${Paging} info=${page.pageInfo} />`;
}
