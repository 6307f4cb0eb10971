/** Words in the language of the reader. */
import { language } from "./settings.js";
import { MESSAGES } from "./messages.js";

/**
 * A message, with what it names put in place of {name}.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = MESSAGES[key]?.[language.get() === "de" ? 1 : 0] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
