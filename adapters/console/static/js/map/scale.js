/** How long a kilometre, or a mile, is on the map. */
import { number } from "../format.js";
import { units } from "../settings.js";
import { place } from "./world.js";

const EQUATOR_M = 40_075_017;
const WIDEST_PX = 130;
const MARGIN_PX = 12;
/** What it is counted in, and how many metres that is: the first that is not longer than the bar. */
const LENGTHS = { metric: [["km", 1000], ["m", 1]], us: [["mi", 1609.344], ["ft", 0.3048]] };

/** Draw a bar of a round length in the corner. */
export function drawScale(context, view, colours, world) {
  const [, latitude] = place(...view.centre());
  const metresAPixel = (EQUATOR_M * Math.cos((latitude * Math.PI) / 180)) / (world * view.zoom);
  const most = WIDEST_PX * metresAPixel;
  const [sign, metres] = LENGTHS[units.get()].find(([, each]) => each <= most) ?? LENGTHS[units.get()][1];
  const ten = 10 ** Math.floor(Math.log10(most / metres));
  const length = [5, 2, 1].map((factor) => factor * ten).find((each) => each * metres <= most) ?? ten;
  const width = (length * metres) / metresAPixel;
  const [x, y] = [view.width - MARGIN_PX - width, view.height - MARGIN_PX];
  context.strokeStyle = colours.text;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x, y - 5);
  context.lineTo(x, y);
  context.lineTo(x + width, y);
  context.lineTo(x + width, y - 5);
  context.stroke();
  context.fillStyle = colours.text;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(`${number(length)} ${sign}`, x + width / 2, y - 5);
}
