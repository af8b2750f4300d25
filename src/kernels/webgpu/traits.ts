/** Sizes of a product of two matrices that a subgroup does in one instruction. */
export interface MatrixSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export type MatrixKind = "f16" | "int8";

/** What kernels are chosen by: what the device can do. */
export interface DeviceTraits {
  /** SwiftShader, lavapipe or WARP: a CPU, to which tiles and barriers are only a burden. */
  readonly software: boolean;
  /** shader-f16 */
  readonly f16: boolean;
  /** Whether WGSL has packed_4x8_integer_dot_product. */
  readonly int8Dot: boolean;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Lanes of the subgroups that multiply matrices; `fixed` if a kernel must ask for so many by an attribute. */
  readonly subgroup: { readonly size: number; readonly fixed: boolean };
  /** f16 · f16 → f32 and i8 · i8 → i32, where the device lists them. */
  readonly f16Matrix?: MatrixSize;
  readonly int8Matrix?: MatrixSize;
  /** The kinds of products of matrices that were right when they were tried. */
  readonly proven: readonly MatrixKind[];
}

/** A device of which nothing is known but its features. */
export const PLAIN_TRAITS: DeviceTraits = {
  software: false,
  f16: false,
  int8Dot: false,
  workgroupBytes: 16384,
  subgroup: { size: 32, fixed: false },
  proven: [],
};

/** A row of Dawn's GPUAdapterInfo.subgroupMatrixConfigs, which @webgpu/types does not know. */
interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** @param wgslFeatures navigator.gpu's wgslLanguageFeatures */
export function traitsOf(
  { features, limits }: GPUDevice,
  info: GPUAdapterInfo & { readonly subgroupMatrixConfigs?: Iterable<MatrixConfig> },
  software: boolean,
  wgslFeatures: ReadonlySet<string> = new Set(),
): DeviceTraits {
  const has = (name: string) => features.has(name);
  const matrices = has("chromium-experimental-subgroup-matrix") && has("subgroups");
  const configs = matrices ? [...(info.subgroupMatrixConfigs ?? [])] : [];
  const size = (of: string, sum: string): MatrixSize | undefined => {
    const fits = configs.filter((c) => c.componentType === of && c.resultComponentType === sum);
    const found = [16, 8].map((side) => fits.find(({ M, N, K }) => M === side && N === side && K === side));
    const config = found.find((c) => c !== undefined);
    return config && { m: config.M, n: config.N, k: config.K };
  };
  // A subgroup of 32 where the device has a choice.
  const { subgroupMinSize: least = 32, subgroupMaxSize: most = 32 } = info;
  const fixed = least !== most;
  const sized = !fixed || has("subgroup-size-control");
  return {
    software,
    f16: has("shader-f16"),
    int8Dot: wgslFeatures.has("packed_4x8_integer_dot_product"),
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    subgroup: { size: fixed ? 32 : least, fixed },
    f16Matrix: has("shader-f16") && sized ? size("f16", "f32") : undefined,
    int8Matrix: sized ? size("i8", "i32") : undefined,
    proven: [],
  };
}
