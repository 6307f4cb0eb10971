/** What every page has: the way to the others, the time that is looked at, how the connection stands. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { address, useRoute } from "../router.js";
import { useStore } from "../store.js";
import { connection, token } from "../api.js";
import { language, theme, units } from "../settings.js";
import { FleetPage } from "../pages/fleet.js";
import { SignInPage } from "../pages/sign_in.js";
import { later } from "./later.js";
import { NowBar, TimeBar } from "./time_bar.js";
import { Reconnect } from "./reconnect.js";

const PAGES = {
  __proto__: null, // names come from addresses
  fleet: FleetPage,
  vehicle: later(() => import("../pages/vehicle.js").then((module) => module.VehiclePage)),
  pipeline: later(() => import("../pages/pipeline.js").then((module) => module.PipelinePage)),
};

export function Shell() {
  const { parts } = useRoute();
  useStore(language);
  useStore(units);
  const link = useStore(connection);
  const Page = PAGES[parts[0]];
  useEffect(() => {
    document.title = Page ? `${t(`page.${parts[0]}`)} – fleettwin` : "fleettwin";
  });
  useEffect(keepFocus, []);
  useFocus(link === "closed" ? "sign in" : parts.slice(0, 2).join(), parts.join());
  if (link === "closed") return html`<${Top} page="" /><${SignInPage} />`;
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <${Top} page=${parts[0]} />
    ${link === "lost" && html`<${Reconnect} />`}
    <main id="main" tabindex="-1">
      ${Page ? html`<${Page} />` : html`<p class="note">${t("page.none")} <a href=${address(["fleet"])}>${t("page.fleet")}</a></p>`}
    </main>
    ${Page && html`<${parts[0] === "pipeline" ? NowBar : TimeBar} />`}
  `;
}

/** What had the focus goes with its page, or its part of one: it is given to the next one, so that keys and readers of screens go on there. */
function useFocus(page, part) {
  const before = useRef({ page, part });
  useEffect(() => {
    const was = before.current;
    before.current = { page, part };
    if (was.page !== page || (was.part !== part && document.activeElement === document.body)) {
      (document.getElementById("token") ?? document.getElementById("main"))?.focus();
    }
  }, [page, part]);
}

/** What had the focus may be taken away while its page stays: then keys go on in what it was in, a form, or in the page. */
function keepFocus() {
  let last = null;
  const stop = new AbortController();
  addEventListener("focusin", ({ target }) => (last = { target, form: target.closest("form") }), { signal: stop.signal });
  const seen = new MutationObserver(() => {
    if (!last || last.target.isConnected || document.activeElement !== document.body) return;
    const next = last.form?.isConnected ? last.form.querySelector("input, select, button") : document.getElementById("main");
    last = null;
    next?.focus({ preventScroll: true });
  });
  seen.observe(document.getElementById("console"), { childList: true, subtree: true });
  return () => {
    stop.abort();
    seen.disconnect();
  };
}

function skip(event) {
  event.preventDefault(); // the address names a view, not a place in the page
  document.getElementById("main").focus();
}

function Top({ page }) {
  const links = ["fleet", "pipeline"];
  return html`<header class="top">
    <a class="brand" href=${address(["fleet"])}>fleettwin</a>
    <nav aria-label=${t("pages")}>
      ${links.map((name) => html`<a href=${address([name])} aria-current=${page === name ? "page" : null}>${t(`page.${name}`)}</a>`)}
      <a href="/graphql">GraphiQL</a>
    </nav>
    <${Choices} />
  </header>`;
}

function Choices() {
  const lit = useStore(theme);
  const spoken = useStore(language);
  const measured = useStore(units);
  return html`<div class="choices">
    <label><span class="hidden">${t("theme")}</span>
      <select value=${lit} onChange=${(event) => theme.set(event.target.value)}>
        ${["auto", "light", "dark"].map((each) => html`<option value=${each}>${t(`theme.${each}`)}</option>`)}
      </select></label>
    <label><span class="hidden">${t("language")}</span>
      <select value=${spoken} onChange=${(event) => language.set(event.target.value)}>
        <option value="en">English</option><option value="de">Deutsch</option>
      </select></label>
    <label><span class="hidden">${t("units")}</span>
      <select value=${measured} onChange=${(event) => units.set(event.target.value)}>
        ${["metric", "us"].map((each) => html`<option value=${each}>${t(`units.${each}`)}</option>`)}
      </select></label>
    ${token.get() && html`<button type="button" onClick=${leave}>${t("token.leave")}</button>`}
  </div>`;
}

function leave() {
  token.set(null);
  connection.set("closed");
}
