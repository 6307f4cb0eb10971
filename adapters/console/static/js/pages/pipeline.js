/** The pipeline: how far each stage is, what could not be folded, and versions of projections beside each other. */
import { html } from "../html.js";
import { learn, t } from "../i18n.js";
import { MESSAGES } from "../messages_pipeline.js";
import { address, useRoute } from "../router.js";
import { Empty } from "../parts/states.js";
import { ComparePart } from "./pipeline_compare.js";
import { ParkedPart } from "./pipeline_parked.js";
import { StagesPart } from "./pipeline_stages.js";

learn(MESSAGES);

const PARTS = { __proto__: null, stages: StagesPart, parked: ParkedPart, compare: ComparePart };

export function PipelinePage() {
  const { parts } = useRoute();
  const [, part = "stages"] = parts;
  const Part = PARTS[part];
  return html`<div class="page">
    <h1>${t("page.pipeline")}</h1>
    <nav class="tabs" aria-label=${t("pipeline.parts")}>
      ${Object.keys(PARTS).map((name) => html`<a key=${name} href=${address(["pipeline", name])} aria-current=${name === part ? "page" : null}>${t(`part.${name}`)}</a>`)}
    </nav>
    ${Part ? html`<${Part} key=${part} />` : html`<${Empty} text=${t("page.none")} hint=${t("page.none.hint")} />`}
  </div>`;
}
