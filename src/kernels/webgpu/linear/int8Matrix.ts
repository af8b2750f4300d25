import type { DeviceTraits } from "../traits.ts";
import { CODES_LAYOUT, scaleOf, tableBytes } from "./codes.ts";
import { int8Columns, PRODUCT, shiftOf } from "./int8.ts";
import type { LinearKernel, WeightForm } from "./kernel.ts";
import { type MatrixProduct, type MatrixShape, matrixBytes, matrixWgsl } from "./matrix.ts";

/**
 * int8 weights with one scale a row: sums in i32 to the end of the row. Where groups have scales of their own, sums would have
 * to leave their matrices after each of them: those are for the tiles of int8.ts.
 */
function int8Matrix(shape: MatrixShape): LinearKernel {
  const productOf = ({ int8Matrix: size }: DeviceTraits, form: WeightForm): MatrixProduct | undefined => {
    const scale = `${scaleOf(form, "column")} * ${2 ** -shiftOf(form)}`; // exact
    return (
      size && {
        ...{ of: "i8", sum: "i32", size, declarations: PRODUCT },
        value: (sum) => {
          return `product(product(f32(${sum}), ${scale}), rowScale(firstRow, row - firstRow))`;
        },
      }
    );
  };
  const kernel: LinearKernel = {
    name: `int8 matrix ${shape.rows}x${shape.columns}`,
    matrix: "int8",
    layout: CODES_LAYOUT,
    tile: [shape.rows, shape.columns],
    supports: (device, form) => {
      const product = productOf(device, form);
      if (!product || !form.int8 || form.groupSize < form.k) return false;
      return matrixBytes(shape, product) + tableBytes(form) <= device.workgroupBytes;
    },
    fuses: true,
    wgsl: (variant) => {
      const product = productOf(variant.device, variant.form) as MatrixProduct;
      return matrixWgsl(kernel, variant, shape, product, int8Columns(variant.form, shape.columns));
    },
  };
  return kernel;
}

export const INT8_MATRICES = [
  int8Matrix({ rows: 32, columns: 32, down: 1, across: 1, slices: 4, depth: 32 }),
  int8Matrix({ rows: 64, columns: 64, down: 2, across: 2, slices: 1, depth: 64 }),
  int8Matrix({ rows: 128, columns: 128, down: 2, across: 4, slices: 1, depth: 64 }),
];
