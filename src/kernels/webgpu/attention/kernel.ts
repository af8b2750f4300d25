import type { DeviceTraits, MatrixKind } from "../traits.ts";

/** What the text of a kernel depends on. */
export interface SanmForm {
  /** Columns of a head. */
  readonly width: number;
  /** Taps of the memory. */
  readonly taps: number;
  readonly residual: boolean;
}

/** One way to compute `sanm`. */
export interface SanmKernel {
  readonly name: string;
  /** What matrices it multiplies by subgroups. */
  readonly matrix?: MatrixKind;
  /** Rows of a workgroup, of one head of one clip. */
  readonly queries: number;
  /** Whether it can do heads of so many columns. */
  readonly supports: (device: DeviceTraits, width: number) => boolean;
  readonly wgsl: (form: SanmForm, device: DeviceTraits) => string;
}

/** Rows that a lane makes of a pair of columns; a row of v is read once for all of them. */
const RUN = 8;

/**
 * The head of every kernel: bindings (qkv twice, as vec4s and as pairs), and `fn remember`, which makes the memory of
 * `queries` rows of a head, `first` and `end` being those of the clip.
 */
export function head(
  { width, taps, residual }: SanmForm,
  queries: number,
  lanes: number,
  attended: "vec2<f32>" | "vec4<f32>",
): string {
  const of = "vec2<f32>";
  const reads = { qkv: "vec4<f32>", pairs: of, taps: "f32", offsets: "u32", ...(residual && { residual: of }) };
  const bindings = [
    ...Object.entries(reads).map(([name, type]) => `var<storage, read> ${name}: array<${type}>`),
    ...Object.entries({ attended, memory: of }).map(([name, type]) => {
      return `var<storage, read_write> ${name}: array<${type}>`;
    }),
  ];
  const half = (taps - 1) / 2;
  return /* wgsl */ `
struct Params { d: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: Params;
${bindings.map((binding, i) => `@group(0) @binding(${i + 1}) ${binding};`).join("\n")}

/** A pair of v in the row \`shifted\` − ${half}, zero outside the clip. */
fn near(shifted: u32, pair: u32, first: u32, end: u32) -> ${of} {
  let inside = shifted >= first + ${half} && shifted < end + ${half};
  let row = select(first, shifted - ${half}, inside);
  return select(${of}(), pairs[row * (3 * p.d / 2) + p.d + pair], inside);
}

fn remember(head: u32, firstQuery: u32, first: u32, end: u32, lane: u32) {
  for (var unit = lane; unit < ${((width / 2) * queries) / RUN}; unit += ${lanes}) {
    let row = firstQuery + unit / ${width / 2} * ${RUN};
    let pair = head * ${width / 2} + unit % ${width / 2};
${lines(RUN + taps - 1, (i) => `    let v${i} = near(row + ${i}, pair, first, end);`)}
${lines(RUN, (i) => {
  const added = residual ? ` + residual[min(row + ${i}, end - 1) * (p.d / 2) + pair]` : "";
  return `    var sum${i} = v${i + half}${added};`;
})}
${lines(taps, (j) => {
  const tap = `vec2(taps[pair * ${2 * taps} + ${j}], taps[pair * ${2 * taps} + ${taps + j}])`;
  return `    let tap${j} = ${tap};\n${lines(RUN, (i) => `    sum${i} = fma(tap${j}, v${i + j}, sum${i});`)}`;
})}
${lines(RUN, (i) => `    if (row + ${i} < end) { memory[(row + ${i}) * (p.d / 2) + pair] = sum${i}; }`)}
  }
}`;
}

/** `count` lines of a kernel. Registers have names: an array of them may end up in memory. */
export function lines(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}
