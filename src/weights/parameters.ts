import { SenseVoiceError } from "../error.ts";

/** A parameter of a network, under PyTorch's name. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Matrices of linear layers and embeddings may be stored in f16, linear ones in few bits; all else is f32. */
  readonly kind: "linear" | "embedding" | "other";
}

/** Throws unless `tensors` are exactly the expected ones: none missing, none more, every shape right. */
export function expectParameters(
  where: string,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  expected: readonly Parameter[],
): void {
  for (const { name, shape } of expected) {
    const got = tensors.get(name)?.shape;
    if (!got) throw new SenseVoiceError(`[weights] ${where}: the parameter "${name}" is missing`);
    if (got.join() !== shape.join()) {
      throw new SenseVoiceError(`[weights] ${where}: ${name}: expected shape [${shape}], got [${got}]`);
    }
  }
  const names = new Set(expected.map(({ name }) => name));
  for (const name of tensors.keys()) {
    if (!names.has(name)) throw new SenseVoiceError(`[weights] ${where}: unexpected parameter "${name}"`);
  }
}
