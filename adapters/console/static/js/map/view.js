/** Where a map looks at: a zoom and the point of the world that is in the corner. */
import { WORLD, degreesOf, place, project } from "./world.js";

export const ZOOM_MAX = 20_000;
const MARGIN_PX = 52;

export class View {
  constructor() {
    this.width = 1;
    this.height = 1;
    this.zoom = 0.5;
    this.left = 0; // of the corner, in units of the world
    this.top = 0;
  }

  /** @returns {[number, number]} pixels of a point of the world */
  pixel(x, y) {
    return [(x - this.left) * this.zoom, (y - this.top) * this.zoom];
  }

  resize(width, height) {
    const [x, y] = this.centre();
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.centreOn(x, y);
  }

  centre() {
    return [this.left + this.width / 2 / this.zoom, this.top + this.height / 2 / this.zoom];
  }

  centreOn(x, y) {
    this.left = x - this.width / 2 / this.zoom;
    this.top = y - this.height / 2 / this.zoom;
    this.bound();
  }

  pan(dx, dy) {
    this.left -= dx / this.zoom;
    this.top -= dy / this.zoom;
    this.bound();
  }

  /** Zoom so that what is at this pixel stays there. */
  zoomAt(px, py, factor) {
    const x = this.left + px / this.zoom;
    const y = this.top + py / this.zoom;
    this.zoom = Math.max(this.least(), Math.min(ZOOM_MAX, this.zoom * factor));
    this.left = x - px / this.zoom;
    this.top = y - py / this.zoom;
    this.bound();
  }

  least() {
    return Math.max(this.width, this.height) / WORLD / 1.6;
  }

  bound() {
    this.zoom = Math.max(this.zoom, this.least());
    const bounded = (value, size) => {
      const room = WORLD - size;
      return room > 0 ? Math.max(0, Math.min(room, value)) : room / 2;
    };
    this.left = bounded(this.left, this.width / this.zoom);
    this.top = bounded(this.top, this.height / this.zoom);
  }

  /** Show all of a box of the world. */
  fit([x0, y0, x1, y1], zoomMost = ZOOM_MAX) {
    const zoom = Math.min((this.width - 2 * MARGIN_PX) / Math.max(x1 - x0, 1e-6), (this.height - 2 * MARGIN_PX) / Math.max(y1 - y0, 1e-6));
    this.zoom = Math.max(this.least(), Math.min(zoomMost, zoom));
    this.centreOn((x0 + x1) / 2, (y0 + y1) / 2);
  }

  /** Whether all of a box of the world is seen, and so far from the edges. */
  shows([x0, y0, x1, y1], marginPx) {
    const [left, top] = this.pixel(x0, y0);
    const [right, bottom] = this.pixel(x1, y1);
    return Math.min(left, top, this.width - right, this.height - bottom) >= marginPx;
  }

  /** Edges in degrees: [south, west, north, east]. */
  box() {
    return degreesOf([Math.max(0, this.left), Math.max(0, this.top), Math.min(WORLD, this.left + this.width / this.zoom), Math.min(WORLD, this.top + this.height / this.zoom)]);
  }

  /** As an address says it: zoom, longitude and latitude of the middle. */
  toText() {
    const [longitude, latitude] = place(...this.centre());
    return [this.zoom.toPrecision(4), longitude.toFixed(4), latitude.toFixed(4)].join(",");
  }

  /** @returns {boolean} whether the text was one */
  fromText(text) {
    const [zoom, longitude, latitude] = (text ?? "").split(",").map(Number);
    if (![zoom, longitude, latitude].every(Number.isFinite) || text === "") return false;
    this.zoom = Math.max(this.least(), Math.min(ZOOM_MAX, zoom));
    this.centreOn(...project(longitude, latitude));
    return true;
  }
}
