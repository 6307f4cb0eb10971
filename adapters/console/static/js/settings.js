/** What a person has chosen for this browser: language, units and light; until then what the browser says. */
import { ofBrowser } from "./storage.js";
import { store } from "./store.js";

const LANGUAGES = ["en", "de"];
const THEMES = ["auto", "light", "dark"];
const UNITS = ["metric", "us"];

function kept(name, allowed, otherwise) {
  const value = ofBrowser.getItem(`fleettwin.${name}`);
  const chosen = store(allowed.includes(value) ? value : otherwise);
  chosen.follow((next) => ofBrowser.setItem(`fleettwin.${name}`, next));
  return chosen;
}

export const language = kept("language", LANGUAGES, navigator.language.startsWith("de") ? "de" : "en");
export const units = kept("units", UNITS, /^en-US\b/.test(navigator.language) ? "us" : "metric");
export const theme = kept("theme", THEMES, "auto");

/** Show the page as it is chosen, now and whenever that changes. */
export function applySettings() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    const chosen = theme.get();
    root.dataset.theme = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
    root.lang = language.get();
    dispatchEvent(new Event("repaint"));
  };
  for (const each of [theme, language, units]) each.follow(paint);
  dark.addEventListener("change", paint);
  paint();
}
