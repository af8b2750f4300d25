import { COLUMNS } from "./blocks.ts";
import { lines } from "./kernel.ts";

/** What a workgroup copies into its memory before it multiplies: rows of x and columns of w, `vecs` vec4s of each. */
export interface Stage {
  readonly lanes: number;
  readonly rows: number;
  readonly columns: number;
  /** vec4s along k, each of `perVec` numbers; `stride` from one row or column to the next. */
  readonly vecs: number;
  readonly perVec: number;
  readonly stride: number;
  /** Whether workgroup memory is made of vec2s, two in place of each vec4. */
  readonly halved?: boolean;
}

/** How rows of x come from memory to `xs`. */
export interface RowSource {
  /** WGSL type of a load, loads in a vec4 of `xs`, and their number in a row. */
  readonly type: string;
  readonly loads: number;
  readonly perRow: number;
  /** Whether the loads are normalised, and whether something is known of the row as a whole. */
  readonly norm: boolean;
  readonly known: boolean;
  /** The vec4 of `xs` made of loads of these names, given the name of what is known of the row. */
  readonly value: (loads: readonly string[], row: string) => string;
}

/** How columns of w come from memory to `ws`: a lane takes a unit at a time. */
export interface ColumnSource {
  /** k of a block of the layout, and units of a column in it. */
  readonly blockK: number;
  readonly units: number;
  readonly declarations?: string;
  /** Before everything: `lanes` work on it together, and meet before the first unit is stored. */
  readonly prologue?: string;
  /** Registers of a unit and their types. */
  readonly registers: Readonly<Record<string, string>>;
  /** Sets the registers, given `unit`, the unit's index in the whole weight, `column` and `block`. */
  readonly load: (register: (name: string) => string) => string;
  /** The vec4s of `ws` that they make. */
  readonly values: (register: (name: string) => string) => readonly string[];
}

/**
 * Text that copies stage after stage. `declare` stands before the loop; `load(s)` brings stage s into registers, so that
 * loads are under way while the stage before is multiplied; `store` puts it into workgroup memory, and `ready(s)`, in
 * front of the barrier before that, loads what is not worth registers meanwhile.
 */
export interface Staging {
  readonly declare: string;
  readonly load: (s: string) => string;
  readonly ready?: (s: string) => string;
  readonly store: string;
}

/** `guarded`: some lanes have nothing to do in the last turn. */
function turns(units: number, lanes: number, line: (turn: number) => string): string {
  return lines(Math.ceil(units / lanes), (turn) => {
    const body = line(turn);
    return (turn + 1) * lanes <= units ? body : `if (lane < ${units - turn * lanes}u) {\n${body}\n}`;
  });
}

/** Writes a vec4 of workgroup memory. */
function put(array: string, at: string, value: string, halved = false): string {
  if (!halved) return `    ${array}[${at}] = ${value};`;
  return `    {\n      let vec = ${value};\n      ${array}[2 * (${at})] = vec.xy;\n      ${array}[2 * (${at}) + 1] = vec.zw;\n    }`;
}

/** `lanes` is a multiple of `vecs`, so that a lane has the same k in all its rows. */
export function stageRows({ lanes, rows, vecs, stride, halved }: Stage, source: RowSource): Staging {
  const { type, loads, perRow, norm, known, value } = source;
  const units = rows * vecs;
  const step = vecs * loads;
  /** Reads past the end of a row are zeros. */
  const inside = (read: string, at: string) => {
    return perRow % step === 0 ? read : `select(${type}(), ${read}, ${at} < ${perRow}u)`;
  };
  return {
    declare: `
  let xK = lane % ${vecs}u * ${loads}u;
${lines(Math.ceil(units / lanes), (t) => {
  const row = `(lane / ${vecs}u + ${(t * lanes) / vecs}u)`;
  return `
  let xAt${t} = (p.firstRow + min(firstRow + ${row}, p.rows - 1)) * ${perRow}u;
  let xTo${t} = ${row} * ${stride}u + lane % ${vecs}u;
  ${known ? `let row${t} = known[min(${row}, ${rows - 1}u)];` : ""}
${lines(loads, (l) => `  var x${t}_${l}: ${type};`)}`;
})}`,
    load: (s) => `
    let xStage = xK + ${s} * ${step}u;
${turns(units, lanes, (t) => {
  return lines(loads, (l) => `    x${t}_${l} = ${inside(`x[xAt${t} + xStage + ${l}u]`, `xStage + ${l}u`)};`);
})}`,
    ready: (s) =>
      norm
        ? `
    let normK = xK + ${s} * ${step}u;
${lines(loads, (l) => {
  const read = (name: string) => `    let ${name}${l} = ${inside(`${name}[normK + ${l}u]`, `normK + ${l}u`)};`;
  return `${read("gamma")}\n${read("beta")}`;
})}`
        : "",
    store: turns(units, lanes, (t) => {
      const vectors = Array.from({ length: loads }, (_, l) => {
        return norm ? `normed(x${t}_${l}, row${t}, gamma${l}, beta${l})` : `x${t}_${l}`;
      });
      return put("xs", `xTo${t}`, value(vectors, `row${t}`), halved);
    }),
  };
}

export function stageColumns({ lanes, columns, vecs, perVec, stride, halved }: Stage, source: ColumnSource): Staging {
  const { blockK, units: ofBlock, registers, load, values } = source;
  const perStage = (vecs * perVec) / blockK;
  const units = columns * perStage * ofBlock;
  const named = (t: number) => (name: string) => `${name}${t}`;
  return {
    declare: `
  let lanes = ${lanes}u;
${source.prologue ?? ""}
  let columns = (p.n + ${COLUMNS - 1}u) / ${COLUMNS}u * ${COLUMNS}u;
${lines(Math.ceil(units / lanes), (t) => {
  const i = `(lane + ${t * lanes}u)`;
  const column = `${i} % ${columns * ofBlock}u / ${ofBlock}u`;
  const block = `${i} / ${columns * ofBlock}u`;
  const first = `${i} % ${ofBlock}u * ${blockK / ofBlock / perVec}u`;
  return `
  let wColumn${t} = firstColumn + ${column};
  let wBlock${t} = ${block};
  let wAt${t} = (wBlock${t} * columns + wColumn${t}) * ${ofBlock}u + ${i} % ${ofBlock}u;
  let wTo${t} = ${column} * ${stride}u + wBlock${t} * ${blockK / perVec}u + ${first};
${Object.entries(registers)
  .map(([name, type]) => `  var ${named(t)(name)}: ${type};`)
  .join("\n")}`;
})}`,
    load: (s) => `
    let wStage = ${s} * ${perStage}u;
    let wStageAt = wStage * columns * ${ofBlock}u;
${turns(
  units,
  lanes,
  (t) => `    {
      let unit = wAt${t} + wStageAt;
      let column = wColumn${t};
      let block = wStage + wBlock${t};
${load(named(t))}
    }`,
)}`,
    store: turns(units, lanes, (t) => {
      return values(named(t))
        .map((value, i) => put("ws", `wTo${t} + ${i}u`, value, halved))
        .join("\n");
    }),
  };
}

/** The loop over the stages of x and w: one is multiplied by `products` while the next comes. */
export function stageLoop(stages: number, x: Staging, w: Staging, products: string): string {
  return `  {
${x.load("0u")}
${w.load("0u")}
  }
  for (var s = 0u; s < ${stages}; s++) {
${x.ready?.("s") ?? ""}
    workgroupBarrier(); // all have read the stage before
${x.store}
${w.store}
    workgroupBarrier();
    if (s + 1 < ${stages}) {
${x.load("(s + 1)")}
${w.load("(s + 1)")}
    }
${products}
  }`;
}
