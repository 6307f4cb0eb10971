/** How long a kilometre is on the map. */
import { place } from "./world.js";

const EQUATOR_M = 40_075_017;
const WIDEST_PX = 130;
const MARGIN_PX = 12;

/** Draw a bar of a round length in the corner. */
export function drawScale(context, view, colours, world) {
  const [, latitude] = place(...view.centre());
  const metresAPixel = (EQUATOR_M * Math.cos((latitude * Math.PI) / 180)) / (world * view.zoom);
  const most = WIDEST_PX * metresAPixel;
  const ten = 10 ** Math.floor(Math.log10(most));
  const metres = [5, 2, 1].map((factor) => factor * ten).find((each) => each <= most) ?? ten;
  const width = metres / metresAPixel;
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
  context.fillText(metres >= 1000 ? `${metres / 1000} km` : `${metres} m`, x + width / 2, y - 5);
}
