/** The land below a map, painted once for a zoom and somewhat more than is seen; moving only copies it. */
import { loadLand } from "./world.js";

/** So much more than is seen is painted to each side, as a share of it. */
const MARGIN = 0.35;
/** While the map moves, the picture of before is shifted and stretched; it is painted anew when the map rests so long. */
const REST_MS = 120;

export class LandLayer {
  /** @param {() => void} onReady the land is there, or better than it was */
  constructor(onReady) {
    this.onReady = onReady;
    this.canvas = document.createElement("canvas");
    this.painted = null; // what the picture shows
    this.path = null;
    this.timer = null;
    this.restedAt = null;
    loadLand().then((path) => {
      this.path = path;
      onReady();
    }, () => {}); // without it the vehicles are shown on an empty ground
  }

  close() {
    clearTimeout(this.timer);
  }

  /** Draw sea and land on a context whose unit is a pixel of the page. */
  draw(context, view, ratio, colours) {
    if (!this.path) {
      context.fillStyle = colours.sea;
      context.fillRect(0, 0, view.width, view.height);
      return;
    }
    const key = [ratio, colours.sea, colours.land, colours.border, view.width, view.height].join();
    const fits = this.painted?.key === key && this.covers(view);
    const outdated = fits && (this.painted.zoom !== view.zoom || !this.covers(view, MARGIN / 2));
    if (!fits || (outdated && this.rested(view))) this.paint(view, ratio, colours, key);
    const { left, top, zoom } = this.painted;
    const shown = [(view.left - left) * zoom, (view.top - top) * zoom, (view.width * zoom) / view.zoom, (view.height * zoom) / view.zoom];
    context.drawImage(this.canvas, ...shown.map((each) => each * ratio), 0, 0, view.width, view.height);
  }

  /** Whether the picture has all that is seen, and to each side so much more, as a share of it. */
  covers(view, spare = 0) {
    const { left, top, zoom, width, height } = this.painted;
    const [seenWidth, seenHeight] = [view.width / view.zoom, view.height / view.zoom];
    const [spareX, spareY] = [spare * seenWidth, spare * seenHeight];
    return left <= view.left - spareX && top <= view.top - spareY
      && left + width / zoom >= view.left + seenWidth + spareX && top + height / zoom >= view.top + seenHeight + spareY;
  }

  /** Whether the map has rested; where it has not, it is looked again when it may have. */
  rested({ zoom, left, top }) {
    const place = [zoom, left, top].join();
    if (this.restedAt === place) return true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.restedAt = place;
      this.onReady();
    }, REST_MS);
    return false;
  }

  paint(view, ratio, colours, key) {
    const [dx, dy] = [view.width * MARGIN, view.height * MARGIN];
    const [width, height] = [view.width + 2 * dx, view.height + 2 * dy];
    const [left, top] = [view.left - dx / view.zoom, view.top - dy / view.zoom];
    const { canvas, path } = this;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d", { alpha: false });
    context.fillStyle = colours.sea;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const scale = ratio * view.zoom;
    context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    context.fillStyle = colours.land;
    context.strokeStyle = colours.border;
    context.lineWidth = 0.8 / view.zoom;
    context.fill(path);
    context.stroke(path);
    this.painted = { key, left, top, zoom: view.zoom, width, height };
  }
}
