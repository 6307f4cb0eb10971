/** Asks for an access token where the server wants one. */
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { token } from "../api.js";

export function SignInPage() {
  const refused = token.get() !== null;
  const [text, setText] = useState("");
  const enter = (event) => {
    event.preventDefault();
    token.set(text.trim().replace(/^bearer\s+/i, ""));
  };
  return html`<main id="main" class="sign-in">
    <h1>${t("token.title")}</h1>
    <p>${t("token.why")}</p>
    ${refused && html`<p class="failed" role="alert">${t("token.refused")}</p>`}
    <form onSubmit=${enter}>
      <label for="token">${t("token.label")}</label>
      <input id="token" type="password" autocomplete="off" spellcheck="false" required maxlength="8192" pattern="\\s*([Bb]earer\\s+)?[!-~]+\\s*" value=${text} onInput=${(event) => setText(event.target.value)} />
      <button type="submit">${t("token.enter")}</button>
    </form>
    <p class="hint">${t("token.hint")} <code>fleettwin token --brand Volkswagen --scope navigation:read --scope navigation:history --scope media:read --scope diagnostics:read --scope events:read</code></p>
  </main>`;
}
