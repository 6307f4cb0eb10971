/** Begins the console. */
import { render } from "preact";
import { html } from "./html.js";
import { applySettings } from "./settings.js";
import { Shell } from "./parts/shell.js";

applySettings();
const root = document.getElementById("console");
root.textContent = "";
render(html`<${Shell} />`, root);
