/** Writes THIRD-PARTY-NOTICES.md, the licences of everything that an installed package brings along: `npx tsx scripts/licences.ts`. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const NOTICES = join(root, "THIRD-PARTY-NOTICES.md");

/** What packages have compiled in that has a licence of its own. */
const INSIDE: Readonly<Record<string, string>> = {
  "@audio/decode-opus": "[libopus](https://opus-codec.org/license/): BSD-3-Clause",
  "@wasm-audio-decoders/common": "[puff](https://github.com/madler/zlib/tree/master/contrib/puff): Zlib",
  "@wasm-audio-decoders/flac": "[libFLAC and libogg](https://xiph.org/licenses/): BSD-3-Clause",
  "@wasm-audio-decoders/ogg-vorbis": "[libvorbis and libogg](https://xiph.org/licenses/): BSD-3-Clause",
  "mpg123-decoder": "[libmpg123](https://www.mpg123.de/): **LGPL-2.1**",
  webgpu: "[Dawn and Tint](https://dawn.googlesource.com/dawn/+/HEAD/LICENSE): BSD-3-Clause, and what they build on",
};

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  /** One of several for different machines: it may not be installed. */
  readonly optional?: boolean;
}

/** The text of the notices. Throws an Error if a package is not installed. */
export function notices(): string {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const rows: string[] = [];
  const texts = new Map<string, string[]>();
  for (const [path, { version, license, dev, optional }] of Object.entries<Locked>(lock.packages)) {
    if (path === "" || dev) continue;
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const folder = join(root, path);
    if (optional) {
      rows.push(`| [${name}](https://www.npmjs.com/package/${name}) | ${version} | ${emphasised(license)} | |`);
      continue;
    }
    if (!existsSync(folder)) throw new Error(`${path}: expected an installed package: npm ci`);
    const page = pageOf(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
    rows.push(`| [${name}](${page}) | ${version} | ${emphasised(license)} | ${INSIDE[name] ?? ""} |`);
    for (const file of readdirSync(folder)
      .filter((file) => /^(licen[cs]e|copying)/i.test(file))
      .sort()) {
      const text = readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim();
      texts.set(text, [...(texts.get(text) ?? []), `${name} ${version}`]);
    }
  }
  return `# Third-party notices

sensevoice itself is licensed under Apache-2.0 ([LICENSE](LICENSE)). These packages are installed with it, each from
its own tarball and unchanged. Two are under the LGPL, in part or as a whole: codec-parser, which reads the frames of flac,
ogg and opus, and mpg123-decoder, which has libmpg123 inside. Either can be replaced by a changed version of the same
interface in \`node_modules\`. Made by \`npx tsx scripts/licences.ts\`.

| package | version | licence | inside it |
|---|---|---|---|
${rows.join("\n")}

Where a package has no text of its licence with it, its sources do.
${[...texts].map(([text, names]) => `\n## ${names.join(", ")}\n\n${quoted(text)}\n`).join("")}`;
}

interface Package {
  readonly homepage?: string;
  readonly repository: string | { readonly url: string };
}

/** Where a package's sources are: its home page, or its repository, which may be given as owner/name on GitHub. */
function pageOf({ homepage, repository }: Package): string {
  if (homepage) return homepage;
  const url = typeof repository === "string" ? repository : repository.url;
  return /^[\w.-]+\/[\w.-]+$/.test(url)
    ? `https://github.com/${url}`
    : url.replace(/^(git\+)?\w+:\/\/(git@)?/, "https://").replace(/\.git$/, "");
}

function emphasised(license = "none given"): string {
  return /GPL/.test(license) ? `**${license}**` : license;
}

/** As a block of code. */
function quoted(text: string): string {
  return `\`\`\`\n${text}\n\`\`\``;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  writeFileSync(NOTICES, notices());
}
