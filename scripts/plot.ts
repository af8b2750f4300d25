/** A way to keep weights: what it costs and what is lost. */
export interface PlotRow {
  readonly name: string;
  /** Bits per weight. */
  readonly bits: number;
  /** Error rate in percent. */
  readonly error: number;
  /** What it may be as well, by chance: a bar. */
  readonly interval?: readonly [low: number, high: number];
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const WIDTH = 720;
const HEIGHT = 440;
const AREA: Box = { x: 64, y: 20, width: WIDTH - 64 - 24, height: HEIGHT - 20 - 56 };
const FONT = 13;
const RADIUS = 4.5;
// Contrast above 3 (marks) and 4 (text) on white as on GitHub's dark grey: the plot has no background of its own.
const INK = "#757b83";
const MARK = "#2f81f7";

/**
 * Error rate over bits per weight as an SVG: a point with a name for each row. Lower left is better. The bits are on
 * a logarithmic scale, for 3 and 4 are as far from each other as 12 and 16.
 *
 * @param rows bits from 1 to 32
 */
export function plotErrorAgainstBits(rows: readonly PlotRow[]): string {
  const xs = bitTicks(rows.map(({ bits }) => bits));
  const ys = niceTicks(rows.flatMap(({ error, interval = [] }) => [error, ...interval]));
  const atX = (bits: number) => AREA.x + AREA.width * share(Math.log2(bits), xs.map(Math.log2));
  const atY = (error: number) => AREA.y + AREA.height * (1 - share(error, ys));
  const points = rows.map(({ name, bits, error }) => ({ name, x: atX(bits), y: atY(error) }));
  const bottom = AREA.y + AREA.height;
  const right = AREA.x + AREA.width;

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"`,
    ` font-family="system-ui, sans-serif" font-size="${FONT}" fill="${INK}" role="img">`,
    "<title>Error rate over bits per weight</title>",
    ...ys.map((tick) => line(AREA.x, atY(tick), right, atY(tick), 0.25)),
    ...xs.map((tick) => line(atX(tick), AREA.y, atX(tick), bottom, 0.25)),
    line(AREA.x, bottom, right, bottom, 1),
    line(AREA.x, AREA.y, AREA.x, bottom, 1),
    ...ys.map((tick) => label(tickText(tick, ys), AREA.x - 8, atY(tick) + FONT / 3, "end")),
    ...xs.map((tick) => label(String(tick), atX(tick), bottom + FONT + 6, "middle")),
    label("bits per weight", AREA.x + AREA.width / 2, HEIGHT - 12, "middle"),
    `<g transform="rotate(-90)">${label("error rate, %", -(AREA.y + AREA.height / 2), FONT + 4, "middle")}</g>`,
    ...rows.flatMap(({ bits, interval }) => {
      return interval ? [line(atX(bits), atY(interval[0]), atX(bits), atY(interval[1]), 0.5)] : [];
    }),
    ...placeNames(points).flatMap(drawName),
    ...points.map(({ x, y }) => `<circle cx="${round(x)}" cy="${round(y)}" r="${RADIUS}" fill="${MARK}"/>`),
    "</svg>",
    "",
  ].join("\n");
}

/** From a number of bits at or below the least to one at or above the most; 4 to 8 at least. */
function bitTicks(values: readonly number[]): number[] {
  const ticks = [1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32];
  const first = ticks.findLastIndex((tick) => tick <= Math.min(...values, 4));
  const last = ticks.findIndex((tick) => tick >= Math.max(...values, 8));
  return ticks.slice(first, last + 1);
}

/** Round numbers around all values, four to eight of them: steps of 1, 2 or 5 times a power of ten. */
function niceTicks(values: readonly number[]): number[] {
  const min = Math.min(...values, Number.POSITIVE_INFINITY);
  const max = Math.max(...values, Number.NEGATIVE_INFINITY);
  const [low, high] = min < max ? [min, max] : Number.isFinite(min) ? [min - 1, min + 1] : [0, 1];
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

function share(value: number, ticks: readonly number[]): number {
  return (value - ticks[0]) / (ticks[ticks.length - 1] - ticks[0]);
}

/** As many decimals as the step between ticks needs. */
function tickText(tick: number, ticks: readonly number[]): string {
  return tick.toFixed(Math.max(0, -Math.floor(Math.log10(ticks[1] - ticks[0]) + 1e-9)));
}

interface Point {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

/** Puts each name as near to its point as it covers no other name or point, if there is such a place. */
function placeNames(points: readonly Point[]): { point: Point; box: Box }[] {
  const taken: Box[] = points.map(({ x, y }) => {
    return { x: x - RADIUS, y: y - RADIUS, width: 2 * RADIUS, height: 2 * RADIUS };
  });
  // From the top down, so that the names of points in a column stand in the same order.
  const sorted = points.toSorted((a, b) => a.y - b.y);
  return sorted.map((point) => {
    const width = [...point.name].length * FONT * 0.62;
    const height = FONT + 2;
    const places = [0, 0.5, -0.5, 1, -1, 1.5, -1.5, 2, -2, 2.5, -2.5, 3, -3].flatMap((shift) => {
      const y = point.y - height / 2 + shift * height;
      const away = RADIUS + (shift === 0 ? 3 : 14); // room for a line between the point and a name that is shifted
      return [
        { x: point.x + away, y, width, height },
        { x: point.x - away - width, y, width, height },
      ];
    });
    const free = places.find((place) => inside(place) && !taken.some((other) => overlap(place, other)));
    const box = free ?? places[0];
    taken.push(box);
    return { point, box };
  });
}

function drawName({ point, box }: { point: Point; box: Box }): string[] {
  const middle = box.y + box.height / 2;
  const side = box.x > point.x ? box.x - 2 : box.x + box.width + 2;
  const shifted = Math.abs(middle - point.y) > 1;
  const name = label(
    point.name,
    box.x > point.x ? box.x : box.x + box.width,
    box.y + box.height - 3,
    box.x > point.x ? "start" : "end",
  );
  return shifted ? [line(point.x, point.y, side, middle, 0.7), name] : [name];
}

function inside({ x, y, width, height }: Box): boolean {
  return x >= AREA.x && x + width <= WIDTH && y >= 0 && y + height <= AREA.y + AREA.height;
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function line(x1: number, y1: number, x2: number, y2: number, opacity: number): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map(round);
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${INK}" opacity="${opacity}"/>`;
}

function label(text: string, x: number, y: number, anchor: "start" | "middle" | "end"): string {
  const escaped = text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
