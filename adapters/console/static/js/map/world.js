/** The world as the map draws it: Mercator, projected once; panning and zooming only move what is there. */
import { geoMercator, geoMercatorRaw, geoPath } from "d3-geo";
import feature from "topojson-client/feature";

/** The world is so many units wide and high at zoom 1. */
export const WORLD = 1024;
const LATITUDE_MAX = 84;
const RADIANS = Math.PI / 180;

/**
 * A place in units of the world.
 * @param {number} longitude degrees
 * @param {number} latitude degrees
 * @returns {[number, number]}
 */
export function project(longitude, latitude) {
  const bounded = Math.max(-LATITUDE_MAX, Math.min(LATITUDE_MAX, latitude));
  const [x, y] = geoMercatorRaw(longitude * RADIANS, bounded * RADIANS);
  return [(x / Math.PI + 1) * (WORLD / 2), (1 - y / Math.PI) * (WORLD / 2)];
}

/** The place at a point of the world, [longitude, latitude] in degrees. */
export function place(x, y) {
  const [longitude, latitude] = geoMercatorRaw.invert((x / (WORLD / 2) - 1) * Math.PI, (1 - y / (WORLD / 2)) * Math.PI);
  return [longitude / RADIANS, latitude / RADIANS];
}

/** The edges of a box of the world in degrees: [south, west, north, east]. */
export function degreesOf([x0, y0, x1, y1]) {
  const [west, north] = place(x0, y0);
  const [east, south] = place(x1, y1);
  return [south, west, north, east];
}

let land = null;

/**
 * The countries as one path in units of the world; it is fetched and projected once.
 * @returns {Promise<Path2D>}
 */
export function loadLand() {
  land ??= fetch("/console/vendor/world-atlas/countries-110m.json")
    .then((response) => response.json())
    .then((atlas) => {
      const path = new Path2D();
      const mercator = geoMercator().scale(WORLD / (2 * Math.PI)).translate([WORLD / 2, WORLD / 2]).precision(0); // it cuts at 180°
      geoPath(mercator, path)(feature(atlas, "countries"));
      return path;
    });
  land.catch(() => (land = null));
  return land;
}
