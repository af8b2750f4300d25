import type { Backend, Convolution, LinearWeight, Norm, Tensor } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import type { Weight } from "../../tensor/quantized.ts";
import { readFloatTensors } from "../floatTensors.ts";
import type { LinearLayer, Tensors } from "../sensevoice/weights.ts";
import { BLOCKS, type CampplusSizes, HEAD_CHANNELS } from "./config.ts";

/** A convolution; those over mels and time have a place for each mel of a frame. */
export interface ConvolutionLayer<T, W> extends LinearLayer<T, W> {
  readonly convolution: Convolution;
}

/** ReLU(conv2(ReLU(conv1(x))) + shortcut(x)). */
export interface ResidualBlock<T, W> {
  readonly name: string;
  readonly conv1: ConvolutionLayer<T, W>;
  readonly conv2: ConvolutionLayer<T, W>;
  /** None is x itself. */
  readonly shortcut?: ConvolutionLayer<T, W>;
}

/** A dense layer with its context-aware mask. */
export interface DenseLayer<T, W> {
  readonly name: string;
  readonly norm: Norm<T>;
  readonly linear: LinearLayer<T, W>;
  readonly local: { readonly weight: W; readonly convolution: Convolution };
  readonly context: readonly [LinearLayer<T, W>, LinearLayer<T, W>];
}

export interface DenseBlock<T, W> {
  readonly name: string;
  readonly layers: readonly DenseLayer<T, W>[];
  /** Columns in front of it and behind. */
  readonly from: number;
  readonly to: number;
  /** The transit behind it. */
  readonly norm: Norm<T>;
  readonly transit: { readonly weight: W; readonly bias?: T };
}

export interface CampplusWeights<T, W> {
  readonly head: {
    readonly conv1: ConvolutionLayer<T, W>;
    readonly blocks: readonly ResidualBlock<T, W>[];
    readonly conv2: ConvolutionLayer<T, W>;
  };
  readonly tdnn: ConvolutionLayer<T, W>;
  readonly blocks: readonly DenseBlock<T, W>[];
  readonly dense: LinearLayer<T, W>;
  /** Gives the device's memory back. */
  readonly release: () => void;
}

/** A batch norm in inference: y = x · scale + shift. */
interface BatchNorm {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}
const EPSILON = 1e-5;

/** Rows of fewer numbers stay in floats: that costs nothing, and they are the first, whose errors all others inherit. */
const FEWEST = 16;

const range = (length: number) => Array.from({ length }, (_, i) => i);

/**
 * Puts a model's tensors on a device. A batch norm behind a convolution goes into its weight and bias, in f64; one in front
 * stays. Weights of convolutions become [out, time, mels, in], the order in which a frame's mels and their channels lie.
 * After an error nothing is left on the device.
 *
 * @param convert what becomes of a weight before it goes to the device
 */
export async function loadCampplusWeights<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  { mels, growthRate, bottleneck, initChannels }: CampplusSizes,
  tensors: Tensors,
  convert: (weight: Weight) => Weight | Promise<Weight> = (weight) => weight,
): Promise<CampplusWeights<T, W>> {
  const { has, get, own, release } = await readFloatTensors(backend, tensors);
  const values = (name: string) => asF32(get(name));
  const vector = (numbers: ArrayLike<number>) =>
    own(backend.upload({ dtype: "f32", shape: [numbers.length], data: Float32Array.from(numbers) }));

  const batchNorm = (name: string): BatchNorm => {
    const [mean, variance] = [values(`${name}.running_mean`), values(`${name}.running_var`)];
    const affine = has(`${name}.weight`);
    const scale = Float64Array.from(
      variance,
      (v, i) => (affine ? values(`${name}.weight`)[i] : 1) / Math.sqrt(v + EPSILON),
    );
    const shift = scale.map((s, i) => (affine ? values(`${name}.bias`)[i] : 0) - mean[i] * s);
    return { scale, shift };
  };
  const norm = (name: string): Norm<T> => {
    const { scale, shift } = batchNorm(`${name}.batchnorm`);
    return { gamma: vector(scale), beta: vector(shift) };
  };
  /** Rows times the scale of the norm behind; `order` tells where in a row each number comes from. */
  const matrix = async (name: string, order: readonly number[], behind?: BatchNorm): Promise<W> => {
    const numbers = values(`${name}.weight`);
    const rows = numbers.length / order.length;
    const k = Math.ceil(order.length / 4) * 4;
    const data = new Float32Array(rows * k);
    for (let r = 0; r < rows; r++) {
      const scale = behind?.scale[r] ?? 1;
      for (let i = 0; i < order.length; i++) data[r * k + i] = numbers[r * order.length + order[i]] * scale;
    }
    const weight = { dtype: "f32", shape: [rows, k], data } as const;
    return own(backend.uploadLinear(order.length < FEWEST ? weight : await convert(weight)));
  };
  const biased = async (name: string, input: number): Promise<LinearLayer<T, W>> => {
    return { weight: await matrix(name, range(input)), bias: vector(values(`${name}.bias`)) };
  };
  const linear = async (name: string, input: number, behind: string): Promise<LinearLayer<T, W>> => {
    const folded = batchNorm(`${behind}.batchnorm`);
    return { weight: await matrix(name, range(input), folded), bias: vector(folded.shift) };
  };
  /** A convolution of size × size over mels and time, a batch norm behind it. */
  const square = async (
    name: string,
    behind: string,
    stride = 1,
    channels = HEAD_CHANNELS,
    size = 3,
  ): Promise<ConvolutionLayer<T, W>> => {
    const folded = batchNorm(behind);
    // [channel, mel, time] → [time, mel, channel]
    const order = range(size * size * channels).map((i) => {
      const [time, mel, channel] = [Math.floor(i / channels / size), Math.floor(i / channels) % size, i % channels];
      return (channel * size + mel) * size + time;
    });
    const convolution: Convolution = { channels, kernel: [size, size], stride: [1, stride], dilation: 1 };
    return { weight: await matrix(name, order, folded), bias: vector(folded.shift), convolution };
  };
  const residualBlock = async (name: string, stride: number): Promise<ResidualBlock<T, W>> => ({
    name,
    conv1: await square(`${name}.conv1`, `${name}.bn1`, stride),
    conv2: await square(`${name}.conv2`, `${name}.bn2`),
    ...(stride > 1 && {
      shortcut: await square(`${name}.shortcut.0`, `${name}.shortcut.1`, stride, HEAD_CHANNELS, 1),
    }),
  });
  const denseLayer = async (name: string, input: number, dilation: number): Promise<DenseLayer<T, W>> => {
    const width = bottleneck * growthRate;
    const local = `${name}.cam_layer.linear_local`;
    const order = range(3 * width).map((i) => (i % width) * 3 + Math.floor(i / width)); // [in, time] → [time, in]
    return {
      name,
      norm: norm(`${name}.nonlinear1`),
      linear: await linear(`${name}.linear1`, input, `${name}.nonlinear2`),
      local: {
        weight: await matrix(local, order),
        convolution: { channels: width, kernel: [1, 3], stride: [1, 1], dilation },
      },
      context: [await biased(`${name}.cam_layer.linear1`, width), await biased(`${name}.cam_layer.linear2`, width / 2)],
    };
  };

  try {
    const head = {
      conv1: await square("head.conv1", "head.bn1", 1, 1),
      blocks: [
        await residualBlock("head.layer1.0", 2),
        await residualBlock("head.layer1.1", 1),
        await residualBlock("head.layer2.0", 2),
        await residualBlock("head.layer2.1", 1),
      ],
      conv2: await square("head.conv2", "head.bn2", 2),
    };
    const bins = mels / 8;
    const channels = HEAD_CHANNELS * bins;
    // FunASR's channel is head channel · bins + bin; here a frame lies as [bin, head channel].
    const order = range(5 * channels).map((i) => {
      const [time, bin, channel] = [
        Math.floor(i / channels),
        Math.floor((i % channels) / HEAD_CHANNELS),
        i % HEAD_CHANNELS,
      ];
      return (channel * bins + bin) * 5 + time;
    });
    const folded = batchNorm("xvector.tdnn.nonlinear.batchnorm");
    const tdnn: ConvolutionLayer<T, W> = {
      weight: await matrix("xvector.tdnn.linear", order, folded),
      bias: vector(folded.shift),
      convolution: { channels, kernel: [1, 5], stride: [1, 2], dilation: 1 },
    };
    const blocks: DenseBlock<T, W>[] = [];
    let from = initChannels;
    for (const [b, { layers: count, dilation }] of BLOCKS.entries()) {
      const [name, transit] = [`xvector.block${b + 1}`, `xvector.transit${b + 1}`];
      const layers: DenseLayer<T, W>[] = [];
      for (let i = 0; i < count; i++) {
        layers.push(await denseLayer(`${name}.tdnnd${i + 1}`, from + i * growthRate, dilation));
      }
      const to = from + count * growthRate;
      const isLast = b === BLOCKS.length - 1; // `out_nonlinear` is behind it
      blocks.push({
        ...{ name, layers, from, to, norm: norm(`${transit}.nonlinear`) },
        transit: isLast
          ? await linear(`${transit}.linear`, to, "xvector.out_nonlinear")
          : { weight: await matrix(`${transit}.linear`, range(to)) },
      });
      from = to / 2;
    }
    const dense = await linear("xvector.dense.linear", 2 * from, "xvector.dense.nonlinear");
    await backend.read(dense.bias); // an upload that found no memory fails here
    return { head, tdnn, blocks, dense, release };
  } catch (error) {
    release();
    throw error;
  }
}
