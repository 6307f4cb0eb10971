/** A map on a canvas: land below, vehicles and tracks on it; it is moved by pointer, wheel and keys. */
import { STATES } from "../fleet.js";
import { LandLayer } from "./land.js";
import { cluster, drawAlone, drawClusters, isOnePlace, radiusOf } from "./marks.js";
import { drawScale } from "./scale.js";
import { View, ZOOM_MAX } from "./view.js";
import { WORLD, degreesOf, project } from "./world.js";

const NEAR_PX = 14;
const STEP_PX = 60;
/** So near the middle is what keys open: wherever it is, a step leads there. */
const MIDDLE_PX = 45;
const STEP_ZOOM = 1.5;
/** Two vehicles are no reason to go nearer than a town. */
const FIT_ZOOM_MOST = 600;
/** What is followed comes no nearer to the edge than this: there are buttons and a legend. */
const KEPT_PX = 40;

export class FleetMap {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{opens: boolean, onPick: (row: object) => void, onPlace: (box: number[]) => void, onMoved: () => void, nameOf: (found: object) => string}} heard
   *   opens: what is picked leads somewhere; onPlace: vehicles are picked that no zoom takes apart, with the edges of their place in degrees
   */
  constructor(canvas, heard) {
    this.canvas = canvas;
    this.heard = heard;
    this.context = canvas.getContext("2d", { alpha: false });
    this.view = new View();
    this.places = []; // vehicles with their points of the world
    this.marks = [];
    this.clusters = [];
    this.overlay = null;
    this.land = new LandLayer(() => this.redraw());
    this.frame = 0;
    this.stop = new AbortController();
    this.listen();
  }

  close() {
    this.stop.abort();
    this.land.close();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
  }

  /** Show these vehicles; those without a place are left out. */
  show(rows) {
    this.places = [];
    for (const row of rows) {
      if (row.latitude == null || row.longitude == null) continue;
      const [worldX, worldY] = project(row.longitude, row.latitude);
      this.places.push({ row, rank: STATES.indexOf(row.state), worldX, worldY, x: 0, y: 0 });
    }
    this.redraw();
  }

  /** Look at all vehicles. */
  fit() {
    if (!this.places.length) return;
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { worldX, worldY } of this.places) {
      x0 = Math.min(x0, worldX);
      y0 = Math.min(y0, worldY);
      x1 = Math.max(x1, worldX);
      y1 = Math.max(y1, worldY);
    }
    this.fitBox([x0, y0, x1, y1]);
  }

  /** Look at all of a box again where it has grown beyond what is seen. */
  keepBox(box, zoomMost) {
    if (!this.view.shows(box, KEPT_PX)) this.fitBox(box, zoomMost);
  }

  fitBox(box, zoomMost = FIT_ZOOM_MOST) {
    this.view.fit(box, zoomMost);
    this.redraw();
  }

  redraw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  /** Draw everything at once, and say how long that took. */
  draw() {
    const begun = performance.now();
    const { context, view, canvas } = this;
    const ratio = devicePixelRatio || 1;
    const colours = this.colours();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.land.draw(context, view, ratio, colours);
    const { seen, alone, clusters } = cluster(this.places, view);
    this.marks = alone;
    this.clusters = clusters;
    this.overlay?.(context, view, colours);
    drawAlone(context, alone, colours);
    drawClusters(context, clusters, colours);
    drawScale(context, view, colours, WORLD);
    if (this.heard.opens && canvas.matches(":focus-visible")) drawMiddle(context, view, colours);
    canvas.dataset.drawMs = (performance.now() - begun).toFixed(1);
    canvas.dataset.seen = String(seen);
    canvas.dataset.clusters = String(clusters.length);
  }

  colours() {
    const style = getComputedStyle(this.canvas);
    const named = (name) => style.getPropertyValue(`--${name}`).trim();
    return Object.fromEntries(
      ["sea", "land", "border", "edge", "ground", "text", "driving", "parked", "charging", "fault", "silent", "withheld"].map((each) => [each, named(`map-${each}`) || named(each)]),
    );
  }

  listen() {
    const { canvas } = this;
    const { signal } = this.stop;
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(canvas);
    this.resize();
    addEventListener("repaint", () => this.redraw(), { signal });
    for (const turn of ["focus", "blur"]) canvas.addEventListener(turn, () => this.redraw(), { signal });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.moved(() => this.view.zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY / 300)));
    }, { signal, passive: false });
    this.listenToPointers(canvas, signal);
    canvas.addEventListener("keydown", (event) => this.key(event), { signal });
  }

  listenToPointers(canvas, signal) {
    const held = new Map();
    let travelled = 0;
    canvas.addEventListener("pointerdown", (event) => {
      held.set(event.pointerId, [event.offsetX, event.offsetY]);
      canvas.setPointerCapture(event.pointerId);
      travelled = 0;
    }, { signal });
    canvas.addEventListener("pointermove", (event) => {
      const from = held.get(event.pointerId);
      if (!from) {
        const found = this.at(event.offsetX, event.offsetY);
        canvas.style.cursor = found ? "pointer" : "";
        canvas.title = found ? this.heard.nameOf(found) : "";
        return;
      }
      const to = [event.offsetX, event.offsetY];
      const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
      travelled += Math.abs(dx) + Math.abs(dy);
      if (held.size === 2) {
        const [other] = [...held.entries()].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
        const factor = Math.hypot(to[0] - other[0], to[1] - other[1]) / Math.max(1, Math.hypot(from[0] - other[0], from[1] - other[1]));
        this.moved(() => this.view.zoomAt(other[0], other[1], factor));
      } else this.moved(() => this.view.pan(dx, dy));
      held.set(event.pointerId, to);
    }, { signal });
    const up = (event) => {
      const pressed = held.delete(event.pointerId);
      if (pressed && event.type === "pointerup" && travelled < 6) this.pick(event.offsetX, event.offsetY);
    };
    canvas.addEventListener("pointerup", up, { signal });
    canvas.addEventListener("pointercancel", up, { signal });
  }

  resize() {
    const { canvas, view } = this;
    const ratio = devicePixelRatio || 1;
    const { clientWidth, clientHeight } = canvas;
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    view.resize(clientWidth, clientHeight);
    this.draw();
  }

  moved(change) {
    change();
    this.redraw();
    this.heard.onMoved();
  }

  key(event) {
    const { view } = this;
    const [x, y] = [view.width / 2, view.height / 2];
    const moves = {
      ArrowLeft: () => view.pan(STEP_PX, 0),
      ArrowRight: () => view.pan(-STEP_PX, 0),
      ArrowUp: () => view.pan(0, STEP_PX),
      ArrowDown: () => view.pan(0, -STEP_PX),
      "+": () => view.zoomAt(x, y, STEP_ZOOM),
      "=": () => view.zoomAt(x, y, STEP_ZOOM),
      "-": () => view.zoomAt(x, y, 1 / STEP_ZOOM),
      0: () => this.fit(),
    };
    const act = event.key === "Enter" ? () => this.pick(x, y, MIDDLE_PX) : moves[event.key] && (() => this.moved(moves[event.key]));
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  /** The vehicle or cluster at a pixel, or so near it. */
  at(x, y, nearPx = 0) {
    const farFrom = (each) => Math.hypot(each.x - x, each.y - y);
    const [nearest] = [
      ...this.clusters.map((group) => ({ found: { group }, far: farFrom(group), most: Math.max(nearPx, radiusOf(group)) })),
      ...this.marks.map((mark) => ({ found: { mark }, far: farFrom(mark), most: Math.max(nearPx, NEAR_PX) })),
    ].filter(({ far, most }) => far <= most).sort((a, b) => a.far - b.far);
    return nearest?.found ?? null;
  }

  pick(x, y, nearPx) {
    const { mark, group } = this.at(x, y, nearPx) ?? {};
    if (mark) this.heard.onPick(mark.row);
    else if (group && (isOnePlace(group) || this.view.zoom === ZOOM_MAX)) this.heard.onPlace(degreesOf(group.box));
    else if (group) this.moved(() => this.view.zoomAt(group.x, group.y, 2.5));
  }
}

/** A cross in the middle, where keys open what is there. */
function drawMiddle(context, { width, height }, colours) {
  const [x, y] = [width / 2, height / 2];
  context.strokeStyle = colours.text;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [dx, dy] of [[MIDDLE_PX / 3, 0], [0, MIDDLE_PX / 3]]) {
    context.moveTo(x - dx, y - dy);
    context.lineTo(x + dx, y + dy);
  }
  context.stroke();
}
