/** Words in the language of the reader. */
import { language } from "./settings.js";
import { MESSAGES } from "./messages.js";

/**
 * A message, with what it names put in place of {name}, and of {name|one|several} the word that fits the number.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = MESSAGES[key]?.[language.get() === "de" ? 1 : 0] ?? key;
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g, (whole, name, one, several) => {
    if (!(name in values)) return whole;
    const said = String(values[name]);
    return one === undefined ? said : said === "1" ? one : several;
  });
}

/** Words that come with the pages that say them. @param {Record<string, [string, string]>} messages */
export const learn = (messages) => Object.assign(MESSAGES, messages);
