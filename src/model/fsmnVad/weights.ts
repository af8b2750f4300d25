import type { Backend, CtcHead, LinearWeight, Tensor } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import type { HostTensor } from "../../tensor/host.ts";
import { readFloatTensors } from "../floatTensors.ts";
import type { LinearLayer, Tensors } from "../sensevoice/weights.ts";
import type { VadEncoderConfig } from "./config.ts";

/** One block of the FSMN. */
export interface VadLayer<T, W> {
  readonly projection: W;
  /** [D, taps] */
  readonly taps: T;
  readonly affine: LinearLayer<T, W>;
}

export interface VadWeights<T, W> {
  /** The layers before the blocks, and the one behind them. */
  readonly input: readonly [LinearLayer<T, W>, LinearLayer<T, W>];
  readonly layers: readonly VadLayer<T, W>[];
  readonly output: LinearLayer<T, W>;
  /** Its softmax is the row's answer. */
  readonly head: CtcHead<T, W>;
  /** Classes that mean silence, u32. */
  readonly silence: T;
  /** Of `am.mvn`, for the front end. */
  readonly cmvn: { readonly shift: Float32Array; readonly scale: Float32Array };
  /** Gives the device's memory back. */
  readonly release: () => void;
}

/**
 * Puts a model's tensors on a device. Widths become multiples of 4, as `linear` wants them: the numbers added are
 * zeros, and stay zeros from layer to layer. After an error nothing is left on the device.
 */
export async function loadVadWeights<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  { layers }: VadEncoderConfig,
  silenceClasses: readonly number[],
  tensors: Tensors,
): Promise<VadWeights<T, W>> {
  const { get, own, release } = await readFloatTensors(backend, tensors);
  const matrix = (name: string) => own(backend.uploadLinear(padded(get(`${name}.weight`))));
  const affine = (name: string): LinearLayer<T, W> => ({
    weight: matrix(`${name}.linear`),
    bias: own(backend.upload(padded(get(`${name}.linear.bias`)))),
  });
  const cmvn = (part: string) => asF32(get(`frontend.cmvn.${part}`));
  try {
    const head = get("encoder.out_linear2.linear.weight");
    const weights = {
      input: [affine("encoder.in_linear1"), affine("encoder.in_linear2")] as const,
      layers: Array.from({ length: layers }, (_, i) => ({
        projection: matrix(`encoder.fsmn.${i}.linear.linear`),
        taps: own(backend.upload(padded(get(`encoder.fsmn.${i}.fsmn_block.conv_left.weight`), false))),
        affine: affine(`encoder.fsmn.${i}.affine`),
      })),
      output: affine("encoder.out_linear1"),
      // A class more would take part in the softmax.
      head: {
        weight: own(backend.uploadLinear(padded(head, true, head.shape[0]))),
        bias: own(backend.upload(get("encoder.out_linear2.linear.bias"))),
      },
      silence: own(
        backend.upload({ dtype: "u32", shape: [silenceClasses.length], data: Uint32Array.from(silenceClasses) }),
      ),
      cmvn: { shift: cmvn("shift"), scale: cmvn("scale") },
      release,
    };
    await backend.read(weights.head.bias); // an upload that found no memory fails here
    return weights;
  } catch (error) {
    release();
    throw error;
  }
}

const multipleOf4 = (size: number) => Math.ceil(size / 4) * 4;

/** A vector, or a matrix [rows, columns], with zeros up to the next multiple of 4. */
function padded(tensor: HostTensor, columnsToo = true, rows = multipleOf4(tensor.shape[0])): HostTensor {
  const { shape } = tensor;
  const columns = shape[1] ?? 1;
  const width = shape.length > 1 && columnsToo ? multipleOf4(columns) : columns;
  const values = asF32(tensor);
  const data = new Float32Array(rows * width);
  for (let r = 0; r < shape[0]; r++) data.set(values.subarray(r * columns, (r + 1) * columns), r * width);
  return { dtype: "f32", shape: shape.length > 1 ? [rows, width] : [rows], data };
}
