/** Says that the server does not answer, and looks whether it does again. */
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { ask } from "../api.js";

const EVERY_MS = 3_000;

export function Reconnect() {
  const [round, setRound] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => ask("{ __typename }").catch(() => {}).finally(() => setRound(round + 1)), EVERY_MS);
    return () => clearTimeout(timer);
  }, [round]);
  return html`<div class="banner" role="status">${t("connection.lost")}</div>`;
}
