/** The demonstration model's files in this package: literal addresses, so that bundlers find them. */
export const TINY_FILES: ReadonlyMap<string, string> = new Map([
  ["config.json", new URL("../weights/tiny/config.json", import.meta.url).href],
  ["model.safetensors", new URL("../weights/tiny/model.safetensors", import.meta.url).href],
  ["tokenizer.model", new URL("../weights/tiny/tokenizer.model", import.meta.url).href],
]);
