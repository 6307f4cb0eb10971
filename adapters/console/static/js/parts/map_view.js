/** The map as a part of a page. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { SIGNS, STATES } from "../fleet.js";
import { number } from "../format.js";
import { FleetMap } from "../map/map.js";

const SETTLED_MS = 250;
let newest = null;

/** The edges of what the map of the page shows, in degrees: [south, west, north, east]; null: there is no map. */
export const shownBox = () => newest?.view.box() ?? null;

/**
 * @param {{rows: object[], label: string, place?: string, onPick?: (row: object) => void,
 *   onMoved?: (view: import("../map/view.js").View) => void, overlay?: Function | null, box?: number[] | null}} shown
 */
export function MapView({ rows, label, place = "", onPick = () => {}, onMoved = () => {}, overlay = null, box = null }) {
  const canvas = useRef(null);
  const map = useRef(null);
  const heard = useRef({});
  heard.current = { onPick, onMoved };
  const placed = useRef(false);
  useEffect(() => {
    let timer = null;
    map.current = new FleetMap(canvas.current, {
      nameOf,
      onPick: (row) => heard.current.onPick(row),
      onMoved() {
        placed.current = true;
        clearTimeout(timer);
        timer = setTimeout(() => heard.current.onMoved(map.current.view), SETTLED_MS);
      },
    });
    newest = map.current;
    placed.current = map.current.view.fromText(place);
    return () => {
      clearTimeout(timer);
      map.current.close();
      newest = null;
    };
  }, []);
  useEffect(() => {
    map.current.overlay = overlay;
    map.current.show(rows);
    if (!placed.current && !box && rows.some((row) => row.latitude != null)) {
      placed.current = true;
      map.current.fit();
    }
  }, [rows, overlay]);
  useEffect(() => {
    if (box) map.current.fitBox(box, 20_000);
  }, [box && box.join()]);
  return html`<div class="map">
    <canvas ref=${canvas} tabindex="0" role="application" aria-roledescription=${t("map.role")} aria-label=${`${label} ${t("map.keys")}`}></canvas>
    <div class="map-buttons">
      <button type="button" aria-label=${t("map.in")} onClick=${() => press(map, "+")}>+</button>
      <button type="button" aria-label=${t("map.out")} onClick=${() => press(map, "-")}>−</button>
      <button type="button" aria-label=${t("map.fit")} title=${t("map.fit")} onClick=${() => (box ? map.current.fitBox(box, 20_000) : press(map, "0"))}>⤢</button>
    </div>
  </div>`;
}

/** What is under the pointer, in words. */
function nameOf({ mark, group }) {
  if (group) return group.counts.map((count, rank) => count && `${number(count)} ${SIGNS[STATES[rank]]} ${t(`state.${STATES[rank]}`)}`).filter(Boolean).join(", ");
  const { brand, model, vin, state } = mark.row;
  return `${SIGNS[state]} ${t(`state.${state}`)}: ${brand} ${model} ${vin}`;
}

const press = (map, key) => map.current.key({ key, preventDefault() {} });
