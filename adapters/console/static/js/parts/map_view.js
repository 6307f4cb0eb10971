/** The map as a part of a page. */
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { SIGNS, STATES } from "../fleet.js";
import { number } from "../format.js";
import { FleetMap } from "../map/map.js";
import { Withheld } from "./states.js";

const SETTLED_MS = 250;
const TRACK_ZOOM_MOST = 20_000;
let newest = null;

/** The edges of what the map of the page shows, in degrees: [south, west, north, east]; null: there is no map. */
export const shownBox = () => newest?.view.box() ?? null;

/**
 * @param {{rows: object[], label: string, hidden?: boolean, place?: string, onPick?: (row: object) => void, onPlace?: (box: number[]) => void,
 *   onMoved?: (view: import("../map/view.js").View) => void, overlay?: Function | null, box?: number[] | null,
 *   subject?: string}} shown box: what is to be seen of the subject; where it grows the map follows, unless somebody has moved it
 */
export function MapView({ rows, label, hidden = false, place = "", onPick = null, onPlace = null, onMoved = () => {}, overlay = null, box = null, subject = "" }) {
  const canvas = useRef(null);
  const map = useRef(null);
  const heard = useRef({});
  heard.current = { onPick, onPlace, onMoved };
  const placed = useRef(false);
  const seen = useRef(null); // the subject that was looked at last
  const followed = useRef(null); // the subject whose box the map keeps to
  useEffect(() => {
    let timer = null;
    map.current = new FleetMap(canvas.current, {
      nameOf,
      opens: onPick !== null,
      onPick: (row) => heard.current.onPick?.(row),
      onPlace: (box) => heard.current.onPlace?.(box),
      onMoved() {
        placed.current = true;
        followed.current = null;
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
    if (!box) return;
    if (seen.current !== subject) fitBox();
    else if (followed.current === subject) map.current.keepBox(box, zoomMost);
  }, [subject, box && box.join()]);
  // a vehicle alone is no reason to go nearer than all of them are
  const zoomMost = box && (box[0] < box[2] || box[1] < box[3]) ? TRACK_ZOOM_MOST : undefined;
  const fitBox = () => {
    map.current.fitBox(box, zoomMost);
    seen.current = followed.current = subject;
  };
  return html`<div class="map">
    <canvas ref=${canvas} tabindex="0" role="application" aria-roledescription=${t("map.role")} aria-label=${`${label} ${t("map.keys")} ${onPick ? t("map.keys.open") : ""}`}></canvas>
    ${hidden && html`<div class="map-note"><${Withheld} scope="navigation:read" /></div>`}
    <div class="map-buttons">
      <button type="button" aria-label=${t("map.in")} onClick=${() => press(map, "+")}>+</button>
      <button type="button" aria-label=${t("map.out")} onClick=${() => press(map, "-")}>−</button>
      <button type="button" aria-label=${t("map.fit")} title=${t("map.fit")} onClick=${() => (box ? fitBox() : press(map, "0"))}>⤢</button>
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
