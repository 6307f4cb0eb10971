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
import { TimeBar } from "./time_bar.js";
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
  useFocus(parts.slice(0, 2).join());
  if (link === "closed") return html`<${Top} page="" /><${SignInPage} />`;
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <${Top} page=${parts[0]} />
    ${link === "lost" && html`<${Reconnect} />`}
    <main id="main" tabindex="-1">
      ${Page ? html`<${Page} />` : html`<p class="note">${t("page.none")} <a href=${address(["fleet"])}>${t("page.fleet")}</a></p>`}
    </main>
    ${Page && parts[0] !== "pipeline" && html`<${TimeBar} />`}
  `;
}

/** What had the focus goes with its page: it is given to the next one, so that keys and readers of screens go on there. */
function useFocus(page) {
  const before = useRef(page);
  useEffect(() => {
    if (before.current !== page) document.getElementById("main")?.focus();
    before.current = page;
  }, [page]);
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
