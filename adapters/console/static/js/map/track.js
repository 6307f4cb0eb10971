/** The way that a vehicle took, coloured by speed; where nothing is known of it for a while, it is dashed. */
import { quantity } from "../format.js";
import { project } from "./world.js";

/** Fixes that are further apart than this have a gap between them. */
const GAP_MS = 90_000;
/** Speeds in km/h up to which a colour and a width go, so that colour is not the only sign; the style sheet has the same. */
const CLASSES = [
  { most: 10, className: "speed-0", widthPx: 2 },
  { most: 30, className: "speed-1", widthPx: 3.5 },
  { most: 60, className: "speed-2", widthPx: 5 },
  { most: 100, className: "speed-3", widthPx: 6.5 },
  { most: Infinity, className: "speed-4", widthPx: 8 },
];

/** What the colours mean, in words. */
export const legend = () => CLASSES.map(({ most, className }, index) => ({
  className,
  name: most === Infinity ? `> ${quantity(CLASSES[index - 1].most, "km/h")}` : `≤ ${quantity(most, "km/h")}`,
}));

const classOf = (speed) => (speed == null ? 0 : CLASSES.findIndex(({ most }) => speed <= most));

/** The edges of places in units of the world; null: there are none. */
export function boxOf(points) {
  if (!points.length) return null;
  const places = points.map(({ longitude, latitude }) => project(longitude, latitude));
  const xs = places.map(([x]) => x);
  const ys = places.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/**
 * What draws a track and a destination on a map.
 * @returns {(context: CanvasRenderingContext2D, view: import("./view.js").View) => void}
 */
export function trackOverlay(points, destination) {
  const places = points.map(({ longitude, latitude, speed, capturedAt }) => [...project(longitude, latitude), classOf(speed), Date.parse(capturedAt)]);
  const goal = destination && destination.latitude != null ? project(destination.longitude, destination.latitude) : null;
  return (context, view) => {
    const style = getComputedStyle(context.canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    context.lineCap = "round";
    for (let index = 1; index < places.length; index += 1) {
      const [x0, y0, , from] = places[index - 1];
      const [x1, y1, speed, to] = places[index];
      const gap = to - from > GAP_MS;
      context.setLineDash(gap ? [2, 8] : []);
      context.lineWidth = gap ? 3 : CLASSES[speed].widthPx;
      context.strokeStyle = colour(gap ? "silent" : CLASSES[speed].className);
      context.beginPath();
      context.moveTo(...view.pixel(x0, y0));
      context.lineTo(...view.pixel(x1, y1));
      context.stroke();
    }
    context.setLineDash([]);
    if (places.length) end(context, view.pixel(places[0][0], places[0][1]), "A", colour);
    if (goal) end(context, view.pixel(...goal), "⚑", colour);
  };
}

function end(context, [x, y], sign, colour) {
  context.beginPath();
  context.arc(x, y, 9, 0, Math.PI * 2);
  context.fillStyle = colour("ground");
  context.strokeStyle = colour("text");
  context.lineWidth = 1.5;
  context.fill();
  context.stroke();
  context.fillStyle = colour("text");
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(sign, x, y + 0.5);
}
