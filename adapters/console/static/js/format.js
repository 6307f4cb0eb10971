/** Numbers, units, times and ages, in the language of the reader and the clock of the browser. */
import { language } from "./settings.js";
import { t } from "./i18n.js";

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** Units as VSS names them, and how a person reads them: [factor, sign, digits]. */
const SHOWN = {
  percent: [1, "%", 1],
  Celsius: [1, "°C", 1],
  celsius: [1, "°C", 1],
  degrees: [1, "°", 5],
  m: [1, "m", 0],
  rpm: [1, "1/min", 0],
  "km/h": [1, "km/h", 0],
  kPa: [1, "kPa", 0],
  V: [1, "V", 2],
  kWh: [1, "kWh", 2],
};
const LONG_M = 10_000;

const made = new Map();

function formatter(kind, options) {
  const key = `${language.get()} ${kind} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new Intl[kind](language.get() === "de" ? "de-DE" : "en-GB", options));
  return made.get(key);
}

export const number = (value, digits = 0) => formatter("NumberFormat", { maximumFractionDigits: digits }).format(value);

/** A value with its unit, e.g. "18,211 km". */
export function quantity(value, unit) {
  if (value == null) return "–";
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value !== "number") return String(value);
  if (unit === "m" && Math.abs(value) >= LONG_M) return `${number(value / 1000, value < 1e6 ? 1 : 0)} km`;
  const [factor, sign, digits] = SHOWN[unit] ?? [1, unit ?? "", 3];
  const shown = number(value * factor, digits);
  return sign === "%" || sign === "°" ? `${shown}${sign === "%" ? " " : ""}${sign}` : `${shown} ${sign}`.trim();
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
