/** Numbers, units, times and ages, in the language of the reader and the clock of the browser. */
import { language, units } from "./settings.js";
import { t } from "./i18n.js";

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** Units as VSS names them, and how a person reads them: sign, digits, factor, and what is added. */
const METRIC = {
  percent: ["%", 1],
  Celsius: ["°C", 1],
  degrees: ["°", 5],
  m: ["m", 0],
  rpm: ["rpm", 0],
  inch: ["in", 1],
  "degrees/s": ["°/s", 1],
  "m/s^2": ["m/s²", 2],
  "cm^3": ["cm³", 0],
  "km/h": ["km/h", 0],
  kPa: ["kPa", 0],
  V: ["V", 2],
  kWh: ["kWh", 2],
  km: ["km", 1],
};
/** Those that are others in the United States. */
const US = {
  Celsius: ["°F", 1, 1.8, 32],
  m: ["ft", 0, 1 / 0.3048],
  km: ["mi", 1, 1 / 1.609344],
  "km/h": ["mph", 0, 1 / 1.609344],
  kPa: ["psi", 1, 1 / 6.894757],
  l: ["gal", 1, 1 / 3.785412],
};
/** Metres from here on are read as kilometres or miles. */
const LONG_M = 10_000;

const made = new Map();

function formatter(kind, options) {
  const key = `${language.get()} ${kind} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new Intl[kind](locale(), options));
  return made.get(key);
}

/** The language that is chosen, as it is written where the reader is. */
const locale = () => navigator.languages.find((each) => each.startsWith(`${language.get()}-`)) ?? { de: "de-DE", en: "en-GB" }[language.get()];

export const number = (value, digits = 0) => (value === null ? "–" : formatter("NumberFormat", { maximumFractionDigits: digits }).format(value));

/** The sign of a unit, where a language has a word for it. */
function said(sign, unit) {
  const word = t(`unit.${unit}`);
  return word.startsWith("unit.") ? sign : word;
}

/** How values of a unit are read: its sign, digits, and the value itself in it. */
export function reading(unit) {
  const [sign, digits, factor = 1, added = 0] = (units.get() === "us" && US[unit]) || METRIC[unit] || [unit ?? "", 3];
  return { sign: said(sign, unit), digits, of: (value) => value * factor + added };
}

/** How values of a unit are read beside each other: all as the greatest of them is. */
export function readingOfAll(unit, most) {
  if (unit !== "m" || most < LONG_M) return reading(unit);
  const { of, ...long } = reading("km");
  return { ...long, of: (value) => of(value / 1000) };
}

/** A value with its unit, e.g. "18,211 km". */
export function quantity(value, unit) {
  if (value == null) return "–";
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value !== "number") return String(value);
  if (unit === "m" && Math.abs(value) >= LONG_M) return quantity(value / 1000, "km");
  const { sign, digits, of } = reading(unit);
  const shown = of(value);
  return `${number(shown, Math.abs(shown) < 1000 ? digits : 0)}${sign === "°" ? "" : " "}${sign}`.trim();
}

/** A moment, to the second. */
export function moment(text) {
  if (!text) return "–";
  return formatter("DateTimeFormat", { dateStyle: "medium", timeStyle: "medium" }).format(new Date(text));
}

/** A moment on an axis, in seconds since 1970. */
export const tick = (seconds) => formatter("DateTimeFormat", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: seconds % MINUTE_S ? "2-digit" : undefined }).format(new Date(seconds * 1000));

/** A moment as a field for date and time takes it, by the clock of the browser. */
export const localInput = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * MINUTE_S * 1000).toISOString().slice(0, 19);

/** A length of time in the two units that matter, e.g. "12 min". */
export function duration(seconds) {
  if (seconds == null) return "–";
  const s = Math.round(Math.abs(seconds));
  if (s < MINUTE_S) return `${s} s`;
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)} min${s < 2 * MINUTE_S && s % MINUTE_S ? ` ${s % MINUTE_S} s` : ""}`;
  if (s < 2 * DAY_S) return `${Math.floor(s / HOUR_S)} h ${Math.floor((s % HOUR_S) / MINUTE_S)} min`;
  return `${number(Math.floor(s / DAY_S))} d`;
}

/** How long before a moment something was; null: not known. */
export function age(text, nowMs) {
  return text ? t("ago", { time: duration(Math.max(0, (nowMs - Date.parse(text)) / 1000)) }) : "–";
}
