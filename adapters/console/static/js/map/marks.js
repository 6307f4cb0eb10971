/** Vehicles as marks: one shape a state, batched by state; near each other they are one circle with their number. */
import { STATES } from "../fleet.js";

const RADIUS_PX = 5;
const CELL_PX = 48;
/** So few are never clustered. */
const APART = 60;
const TAU = Math.PI * 2;

/** @typedef {{row: object, x: number, y: number, worldX: number, worldY: number}} Mark */
/** @typedef {{x: number, y: number, marks: Mark[], counts: Record<string, number>}} Cluster */

/**
 * Put marks that are near each other together.
 * @param {Mark[]} marks those that are seen, with their pixels
 * @param {import("./view.js").View} view
 * @returns {{alone: Mark[], clusters: Cluster[]}}
 */
export function cluster(marks, view) {
  if (marks.length <= APART) return { alone: marks, clusters: [] };
  const cells = new Map();
  for (const mark of marks) {
    const column = Math.floor((mark.worldX * view.zoom) / CELL_PX);
    const line = Math.floor((mark.worldY * view.zoom) / CELL_PX);
    const key = column * 4_194_304 + line;
    const cell = cells.get(key);
    if (cell) cell.push(mark);
    else cells.set(key, [mark]);
  }
  const alone = [];
  const clusters = [];
  for (const cell of cells.values()) {
    if (cell.length === 1) {
      alone.push(cell[0]);
      continue;
    }
    const counts = {};
    let x = 0;
    let y = 0;
    for (const mark of cell) {
      counts[mark.row.state] = (counts[mark.row.state] ?? 0) + 1;
      x += mark.x;
      y += mark.y;
    }
    clusters.push({ x: x / cell.length, y: y / cell.length, marks: cell, counts });
  }
  return { alone, clusters };
}

/** The radius of a cluster in pixels. */
export const radiusOf = ({ marks }) => 11 + Math.min(14, Math.log2(marks.length) * 1.6);

/** Draw single vehicles, one path a state. */
export function drawAlone(context, alone, colours) {
  const paths = Object.fromEntries(STATES.map((state) => [state, new Path2D()]));
  for (const { x, y, row } of alone) SHAPES[row.state](paths[row.state], x, y, row.heading);
  context.lineWidth = 1;
  for (const state of STATES) {
    context.fillStyle = state === "silent" ? colours.ground : colours[state];
    context.strokeStyle = state === "silent" ? colours.silent : colours.edge;
    context.lineWidth = state === "silent" ? 2 : 1;
    context.fill(paths[state]);
    context.stroke(paths[state]);
  }
}

const SHAPES = {
  driving(path, x, y, heading) {
    const turn = ((heading ?? 0) * Math.PI) / 180;
    const [sin, cos] = [Math.sin(turn), Math.cos(turn)];
    const at = (dx, dy) => [x + dx * cos - dy * sin, y + dx * sin + dy * cos];
    path.moveTo(...at(0, -8));
    path.lineTo(...at(5.5, 6));
    path.lineTo(...at(0, 3));
    path.lineTo(...at(-5.5, 6));
    path.closePath();
  },
  parked(path, x, y) {
    path.rect(x - 4, y - 4, 8, 8);
  },
  charging(path, x, y) {
    path.moveTo(x, y - 7);
    path.lineTo(x + 6, y);
    path.lineTo(x, y + 7);
    path.lineTo(x - 6, y);
    path.closePath();
  },
  fault(path, x, y) {
    const [a, b] = [2.2, 6.4];
    const corners = [[0, -a], [b - a, -b], [b, -b + a], [a, 0], [b, b - a], [b - a, b], [0, a], [a - b, b], [-b, b - a], [-a, 0], [-b, a - b], [a - b, -b]];
    path.moveTo(x + corners[0][0], y + corners[0][1]);
    for (const [dx, dy] of corners.slice(1)) path.lineTo(x + dx, y + dy);
    path.closePath();
  },
  silent(path, x, y) {
    path.moveTo(x + RADIUS_PX, y);
    path.arc(x, y, RADIUS_PX, 0, TAU);
  },
};

/** Draw clusters: a ring with the share of each state, and the number within. */
export function drawClusters(context, clusters, colours) {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = "600 11px system-ui, sans-serif";
  context.lineWidth = 4;
  for (const each of clusters) {
    const radius = radiusOf(each);
    context.beginPath();
    context.arc(each.x, each.y, radius, 0, TAU);
    context.fillStyle = colours.ground;
    context.fill();
    let from = -Math.PI / 2;
    for (const state of STATES) {
      const share = ((each.counts[state] ?? 0) / each.marks.length) * TAU;
      if (!share) continue;
      context.beginPath();
      context.arc(each.x, each.y, radius, from, from + share);
      context.strokeStyle = colours[state];
      context.stroke();
      from += share;
    }
    context.fillStyle = colours.text;
    context.fillText(String(each.marks.length), each.x, each.y + 0.5);
  }
}
