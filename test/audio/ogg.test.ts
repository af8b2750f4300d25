import { describe, expect, test } from "vitest";
import { oggPackets, oggPages, oggSamples } from "../../src/audio/ogg.ts";
import { concat, decodeWhole, FIRST, fixture, floats, LAST, oggPage, pagesOf, sealPage } from "./support.ts";

const packet = (length: number, value: number) => new Uint8Array(length).fill(value);
const list = (file: Uint8Array) => [...oggPages(file, "x.ogg")];

describe("pages", () => {
  const first = oggPage([packet(3, 1)], { flags: FIRST });
  const pages = [first, ...[1, 2, 3, 4].map((number) => oggPage([packet(9, number)], { number }))];

  test("come one by one", () => {
    expect(list(concat(pages))).toEqual(pages);
  });

  test("of a stream at its side are left out, those of the next stream are not", () => {
    const beside = [FIRST, 0, LAST].map((flags, number) => oggPage([packet(5, 9)], { flags, number, stream: 8 }));
    const next = [FIRST, LAST].map((flags, number) => oggPage([packet(5, 9)], { flags, number, stream: 9 }));
    const file = concat([first, beside[0], pages[1], beside[1], ...pages.slice(2), beside[2], ...next]);
    expect(list(file)).toEqual([...pages, ...next]);
  });

  test("that are missing are missed, but not behind the headers of a broadcast", () => {
    expect(() => list(concat(pages.toSpliced(3, 1)))).toThrow(
      "x.ogg: damaged ogg: pages are missing or out of order before byte 105",
    );
    expect(list(concat(pages.toSpliced(2, 1)))).toHaveLength(4);
    for (const i of [1, 2, 3]) {
      const back = concat(pages.toSpliced(i, 0, pages[i + 1]));
      expect(() => list(back), `page ${i + 1} is in front of page ${i} as well`).toThrow("out of order");
    }
  });

  test.each([0, 4, 14, 22, 26, 27, 30])("with a wrong byte %i are damaged", (at) => {
    const page = pages[1].slice();
    page[at] ^= 1;
    expect(() => list(concat([first, page, ...pages.slice(2)]))).toThrow(
      `x.ogg: damaged ogg: the page at byte ${first.length} fails its checksum`,
    );
  });

  test("that are cut are truncated", () => {
    for (const length of [1, 20, 26, 27, 36]) {
      expect(() => list(concat([first, pages[1].subarray(0, length)]))).toThrow(/^x\.ogg: (truncated|damaged) ogg/);
    }
    expect(() => list(concat([first, pages[1].subarray(0, 36)]))).toThrow(
      `x.ogg: truncated ogg: it ends inside the page at byte ${first.length}`,
    );
  });
});

describe("packets", () => {
  test("of any length, one of 255 bytes too", () => {
    const packets = [0, 1, 254, 255, 256, 510, 1000].map(packet);
    expect([...oggPackets([oggPage(packets, {})])]).toEqual(packets);
  });

  test("go on in later pages", () => {
    const body = Uint8Array.from({ length: 1200 }, (_, i) => i % 251);
    const part = (from: number, to: number, rest: Uint8Array[] = []) => {
      const page = oggPage([body.subarray(from, to), ...rest], {});
      // Without the closing length of 0 the packet has no end in this page.
      return to % 255 === 0
        ? sealPage(
            concat([
              page.subarray(0, 26),
              Uint8Array.of(page[26] - 1),
              page.subarray(27, 26 + page[26]),
              page.subarray(27 + page[26]),
            ]),
          )
        : page;
    };
    const pages = [part(0, 510), part(510, 1020), part(1020, 1200, [packet(4, 7)])];
    expect([...oggPackets(pages)]).toEqual([body, packet(4, 7)]);
  });
});

describe("the number of samples", () => {
  const at = (position: number, number: number, stream = 7) => oggPage([packet(9, 1)], { position, number, stream });
  test.each([
    ["is the last position", [at(0, 0), at(-1, 1), at(5, 2), at(48005, 3)], 48000],
    ["counts from where a broadcast begins", [at(0, 0), at(1e12, 1), at(1e12 + 960, 2)], 960],
    ["is not told by one page with sound", [at(0, 0), at(960, 1)], 0],
    ["is not told by the last of several streams", [at(0, 0), at(960, 1), at(5e9, 0, 8)], 0],
    ["is not told by a page that is cut", [at(0, 0), at(960, 1), at(9600, 2).subarray(0, 20)], 0],
    ["is not told by headers", [at(0, 0)], 0],
  ])("%s", (_, pages, samples) => {
    expect(oggSamples(concat(pages))).toBe(samples);
  });
});

test.each(["clip.ogg", "clip.opus"])("a chain of %s is one sound", async (name) => {
  const file = fixture(name);
  const next = pagesOf(file).map((page) => sealPage(page.fill(99, 14, 18)));
  const { channels } = await decodeWhole(file);
  const chained = await decodeWhole(concat([file, ...next]));
  expect(chained.channels[0]).toEqual(floats([channels[0], channels[0]]));
});
