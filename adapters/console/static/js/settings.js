/** What a person has chosen for this browser: language and light. */
import { store } from "./store.js";

const LANGUAGES = ["en", "de"];
const THEMES = ["auto", "light", "dark"];

function kept(name, allowed, otherwise) {
  const value = localStorage.getItem(`fleettwin.${name}`);
  const chosen = store(allowed.includes(value) ? value : otherwise);
  chosen.follow((next) => localStorage.setItem(`fleettwin.${name}`, next));
  return chosen;
}

export const language = kept("language", LANGUAGES, navigator.language.startsWith("de") ? "de" : "en");
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
  for (const each of [theme, language]) each.follow(paint);
  dark.addEventListener("change", paint);
  paint();
}
