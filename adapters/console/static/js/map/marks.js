/** Vehicles as marks: one shape a state, batched by state; near each other they are one circle with their number. */
import { STATES } from "../fleet.js";
import { ZOOM_MAX } from "./view.js";

const RADIUS_PX = 5;
/** Of the ring around a cluster, to each side of its radius. */
const RING_PX = 2;
/** So far beyond the edge a mark is still seen. */
const EDGE_PX = 20;
const CELL_PX = 48;
const APART_PX = 32;
/** So few are clustered only where one would cover another. */
const APART = 60;
const COVERED_PX = 8;
const TAU = Math.PI * 2;

/** @typedef {{row: object, worldX: number, worldY: number, x: number, y: number}} Mark a vehicle, with its pixels */
/** @typedef {{x: number, y: number, count: number, counts: number[], mark: Mark, box: number[]}} Group counts: by the order of STATES; box: edges in units of the world */

/**
 * What of the vehicles is seen, those that are near each other put together. The cells for that are fixed to the world, so
 * that groups stay while the map moves.
 * @param {Mark[]} places
 * @param {import("./view.js").View} view
 * @returns {{seen: number, alone: Mark[], clusters: Group[]}}
 */
export function cluster(places, view) {
  const { left, top, zoom, width, height } = view;
  const [column0, line0] = [Math.floor((left * zoom) / CELL_PX) - 1, Math.floor((top * zoom) / CELL_PX) - 1];
  const columns = Math.ceil(width / CELL_PX) + 4;
  const cells = new Array(columns * (Math.ceil(height / CELL_PX) + 4));
  const groups = [];
  const all = [];
  for (const mark of places) {
    mark.x = (mark.worldX - left) * zoom;
    mark.y = (mark.worldY - top) * zoom;
    if (mark.x < -EDGE_PX || mark.y < -EDGE_PX || mark.x > width + EDGE_PX || mark.y > height + EDGE_PX) continue;
    all.push(mark);
    const cell = Math.floor((mark.worldX * zoom) / CELL_PX) - column0 + (Math.floor((mark.worldY * zoom) / CELL_PX) - line0) * columns;
    let group = cells[cell];
    if (!group) {
      group = { x: 0, y: 0, count: 0, counts: STATES.map(() => 0), mark, box: [mark.worldX, mark.worldY, mark.worldX, mark.worldY] };
      cells[cell] = group;
      groups.push(group);
    }
    group.x += mark.x;
    group.y += mark.y;
    group.count += 1;
    group.counts[mark.rank] += 1;
    widen(group.box, mark.worldX, mark.worldY);
  }
  for (const group of groups) {
    group.x /= group.count;
    group.y /= group.count;
  }
  const kept = all.length <= APART ? joined(joined(all.map(groupOf), () => COVERED_PX), nearOf) : joined(groups, () => APART_PX);
  return { seen: all.length, alone: kept.filter(({ count }) => count === 1).map(({ mark }) => mark), clusters: kept.filter(({ count }) => count > 1) };
}

/** A vehicle by itself, as a group. */
const groupOf = (mark) => ({ x: mark.x, y: mark.y, count: 1, counts: STATES.map((_, rank) => Number(rank === mark.rank)), mark, box: [mark.worldX, mark.worldY, mark.worldX, mark.worldY] });

/** Let a box have a point. */
function widen(box, x, y) {
  if (x < box[0]) box[0] = x;
  if (y < box[1]) box[1] = y;
  if (x > box[2]) box[2] = x;
  if (y > box[3]) box[3] = y;
}

/** So near a circle covers another, or a vehicle; two single vehicles stay apart. */
const nearOf = (one, other) => (one.count + other.count > 2 ? APART_PX : 0);

/** Groups may lie on each other, those of neighbouring cells too: where they are nearer than that they become one. */
function joined(groups, nearPx) {
  const kept = [];
  for (const group of groups.sort((one, other) => other.count - one.count)) {
    const near = kept.find((each) => Math.max(Math.abs(each.x - group.x), Math.abs(each.y - group.y)) < nearPx(each, group));
    if (!near) {
      kept.push(group);
      continue;
    }
    const count = near.count + group.count;
    near.x = (near.x * near.count + group.x * group.count) / count;
    near.y = (near.y * near.count + group.y * group.count) / count;
    near.count = count;
    group.counts.forEach((each, rank) => (near.counts[rank] += each));
    widen(near.box, group.box[0], group.box[1]);
    widen(near.box, group.box[2], group.box[3]);
  }
  return kept;
}

/** Whether a circle stays one however near the map goes. */
export const isOnePlace = ({ box: [x0, y0, x1, y1] }) => Math.max(x1 - x0, y1 - y0) * ZOOM_MAX < COVERED_PX;

/** The radius of a cluster in pixels. */
export const radiusOf = ({ count }) => 11 + Math.min(14, Math.log2(count) * 1.6);

/** The state that the sign of a cluster tells, so that the colours of its ring are not the only one: a fault, where there is one, or that of most. */
export function stateOfGroup({ counts }) {
  const fault = STATES.indexOf("fault");
  return STATES[counts[fault] ? fault : counts.indexOf(Math.max(...counts))];
}

/** The sign of a cluster, at the upper right of its ring. */
function signOf(group) {
  const aside = radiusOf(group) * Math.SQRT1_2;
  return { x: group.x + aside, y: group.y - aside, row: { state: stateOfGroup(group), heading: 0 } };
}

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
  withheld(path, x, y) {
    path.rect(x - RADIUS_PX, y - 1.5, 2 * RADIUS_PX, 3);
  },
  silent(path, x, y) {
    path.moveTo(x + RADIUS_PX, y);
    path.arc(x, y, RADIUS_PX, 0, TAU);
  },
};

/**
 * Draw clusters: a ring with the share of each state, and the number within. Each is painted by itself, as sectors with a
 * disc on them: without a graphics card one path of all rings takes longer, as do strokes.
 */
export function drawClusters(context, clusters, colours) {
  for (const { x, y, count, counts } of clusters) {
    const radius = radiusOf({ count });
    let from = -Math.PI / 2;
    counts.forEach((of, rank) => {
      if (!of) return;
      const to = from + (of / count) * TAU;
      context.beginPath();
      context.moveTo(x, y);
      context.arc(x, y, radius + RING_PX, from, to);
      context.fillStyle = colours[STATES[rank]];
      context.fill();
      from = to;
    });
    context.beginPath();
    context.arc(x, y, radius - RING_PX, 0, TAU);
    context.fillStyle = colours.ground;
    context.fill();
  }
  context.fillStyle = colours.text;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = "600 11px system-ui, sans-serif";
  for (const each of clusters) context.fillText(String(each.count), each.x, each.y + 0.5);
  drawAlone(context, clusters.map(signOf), colours);
}
