/** The digest of the rows of a version, summed up when somebody asks for it, and proved against the log. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";
import { number } from "../format.js";
import { walk } from "../walk.js";
import { Failed } from "./states.js";

const SHOWN = 16;
const DIGEST = `query ($projection: String!, $version: Int!, $after: String, $prove: Boolean!) { operations {
  digest(projection: $projection, version: $version, after: $after, prove: $prove) {
    complete endCursor digest told rows vehicles fromPosition position leftOut } } }`;

/** @param {{projection: string, version: number, position: string | number | null}} shown position: where the version is now */
export function Digest({ projection, version, position }) {
  const [state, setState] = useState({ page: null, running: false, error: null, leftOut: 0 });
  const stop = useRef(null);
  useEffect(() => () => stop.current?.abort(), []);

  async function sum(prove) {
    stop.current?.abort();
    const { signal } = (stop.current = new AbortController());
    let leftOut = 0;
    setState({ page: null, running: true, error: null, leftOut });
    try {
      const asked = async (after) => (await ask(DIGEST, { projection, version, after, prove }, signal)).operations.digest;
      for await (const page of walk(asked, (page) => page.endCursor, signal)) {
        leftOut += page.leftOut.length;
        setState({ page, running: !page.complete, error: null, leftOut });
      }
    } catch (error) {
      if (!signal.aborted) setState({ page: null, running: false, error, leftOut });
    }
  }

  const name = `${projection} v${version}`;
  const { page, running, error, leftOut } = state;
  return html`<div class="digest" role="status">
      ${running && html`<span class="loading">${t("digest.running", { rows: number(Number(page?.rows ?? 0)) })}</span>`}
      ${page?.complete && html`<code title=${page.digest}>${page.digest.slice(0, SHOWN)}…</code> <small>${t("digest.of", { rows: number(Number(page.rows)), position: number(Number(page.position)) })}</small>
        ${page.told !== null && html`<${Proof} page=${page} leftOut=${leftOut} />`}
        ${page.fromPosition !== page.position && html`<small class="late">${t("digest.moved")}</small>`}
        ${position != null && position !== page.position && html`<small class="late">${t("digest.older")}</small>`}`}
    </div>
    ${error && html`<${Failed} error=${error} />`}
    <button type="button" aria-disabled=${running ? "true" : null} aria-label=${t("digest.sum.label", { name })} onClick=${() => running || sum(false)}>${t("digest.sum")}</button>
    <button type="button" aria-disabled=${running ? "true" : null} aria-label=${t("digest.prove.label", { name })} onClick=${() => running || sum(true)}>${t("digest.prove")}</button>`;
}

function Proof({ page, leftOut }) {
  return html`<span class=${page.told === page.digest ? "" : "bad"}>${page.told === page.digest ? `✔ ${t("digest.equal")}` : `✖ ${t("digest.differs", { told: `${page.told.slice(0, SHOWN)}…` })}`}</span>
    ${leftOut > 0 && html`<small class="late">${t("digest.leftOut", { count: number(leftOut) })} <code>fleettwin verify</code></small>`}`;
}
