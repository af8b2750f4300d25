import { lines } from "./kernel.ts";

/** Outputs a lane computes: a square patch of PATCH rows and columns. */
export const PATCH = 4;

/** What the plain kernel has between its frame's lines, for a form of weights. */
export interface Loop {
  readonly declarations?: string;
  /** Elements of x in a row. */
  readonly rowLength: string;
  /**
   * Adds to sum0 … sum3, each a vec4<f32>. The lane's rows of x begin at the elements x0 … x3; its columns are `column` … column + 3,
   * the vec4 `id.x` of the `stride` that span all columns.
   */
  readonly loop: string;
  /** The vec4<f32> that `sum` stands for, given `row`. */
  readonly value: string;
}

/** A line for each row of the patch. */
export function eachRow(line: (r: number) => string): string {
  return lines(PATCH, line);
}
