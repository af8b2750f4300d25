/** Node's modules, asked for in a way that bundlers do not see; undefined in a browser. */
export const node: NodeJS.Process["getBuiltinModule"] | undefined =
  typeof process === "undefined" ? undefined : process.getBuiltinModule;

/**
 * The bytes of a file of this package, undefined if they cannot be had.
 *
 * @param url written where it is used as `new URL("./name", import.meta.url)`, so that a bundler finds the file
 */
export async function readPackageFile(url: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    if (node) return new Uint8Array(await node("node:fs").promises.readFile(url));
    const response = await fetch(url);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch {
    // not there
  }
  return undefined;
}
