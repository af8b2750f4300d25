import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { downloadModel } from "../../src/convert/download.ts";
import { findModel, home } from "../../src/weights/home.ts";
import type { Progress } from "../../src/weights/source.ts";
import { openModelFolder } from "../support/model.ts";
import { fixture, temporaryFolder } from "./folder.ts";
import { type Fault, hubServer } from "./hubServer.ts";

const ID = "iic/SenseVoiceSmall";
const FILES = Object.fromEntries(
  readdirSync(fixture("funasr")).map((name) => [name, readFileSync(join(fixture("funasr"), name))]),
);
const MODEL_PT = "/api/v1/models/iic/SenseVoiceSmall/repo?FilePath=model.pt";
const MODEL_PT_ON_PAGE = "/models/iic/SenseVoiceSmall/resolve/master/model.pt";

/** Gives the client, in the same process, its turns to take what has come: how long that takes is no matter of time. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await sleep(1);
}

/** Sends so many bytes of what was asked for, then breaks the connection. */
const cutAfter =
  (count: number): Fault =>
  (response, file, offset) => {
    response.writeHead(offset ? 206 : 200, {
      "content-length": file.length - offset,
      "content-range": `bytes ${offset}-${file.length - 1}/${file.length}`,
    });
    response.write(file.subarray(offset, offset + count), () => turns(50).then(() => response.destroy()));
    return true;
  };

const status =
  (code: number): Fault =>
  (response) => {
    response.writeHead(code).end("sorry");
    return true;
  };

/** Sends the whole file, as a server without Range does, after changing it. */
const whole =
  (change: (file: Buffer) => Uint8Array): Fault =>
  (response, file) => {
    response.writeHead(200).end(change(Buffer.from(file)));
    return true;
  };

const wrong = whole((file) => file.fill(7, 100, 200));

beforeEach(() => vi.stubEnv("SENSEVOICE_HOME", temporaryFolder()));
afterEach(() => vi.unstubAllEnvs());

/** Names under `<home>/downloads`; a sound download leaves the files and no parts. */
const downloads = (hub: string, id: string) => readdirSync(join(home(), "downloads", hub, id)).toSorted();

async function expectSound(dir: string): Promise<void> {
  const folder = await openModelFolder(dir);
  let last = "";
  for await (const [name] of folder.tensors()) last = name;
  expect(last).not.toBe("");
}

describe("a download", () => {
  test("from ModelScope: fetched, converted, found as small", async () => {
    const hub = await hubServer(ID, { ...FILES, "README.md": Buffer.from("#") });
    const progress: Progress[] = [];
    const dir = await downloadModel(ID, { endpoint: hub.endpoint, onProgress: (p) => progress.push(p) });
    expect(findModel("small")).toBe(dir);
    await expectSound(dir);
    expect((await openModelFolder(dir)).config.name).toBe("SenseVoiceSmall");
    expect(downloads("modelscope", ID)).toEqual(Object.keys(FILES).toSorted());
    for (const task of [...Object.keys(FILES), "model.safetensors"]) {
      const last = progress.findLast((p) => p.task === task);
      expect(last?.done, task).toBe(last?.total);
    }
  });

  test("from Hugging Face, under the name it has there; the address from the environment", async () => {
    const hub = await hubServer("FunAudioLLM/SenseVoiceSmall", FILES);
    vi.stubEnv("SENSEVOICE_ENDPOINT", `${hub.endpoint}/`);
    await expectSound(await downloadModel(ID, { from: "huggingface" }));
    expect(findModel("small")).toBe(join(home(), "models", "SenseVoiceSmall"));
    expect(hub.requests).toContain("GET /FunAudioLLM/SenseVoiceSmall/resolve/main/model.pt");
  });

  test("again: nothing but the list is fetched; a damaged file is", async () => {
    const hub = await hubServer(ID, FILES);
    await downloadModel(ID, { endpoint: hub.endpoint });
    hub.requests.length = 0;
    await downloadModel(ID, { endpoint: hub.endpoint, dtype: "f32" });
    expect(hub.requests).toEqual([`GET /api/v1/models/${ID}/repo/files`]);
    writeFileSync(join(home(), "downloads", "modelscope", ID, "model.pt"), "damaged");
    const dir = await downloadModel(ID, { endpoint: hub.endpoint, dtype: "f32" });
    expect(hub.requests.filter((request) => request.endsWith("model.pt")).length).toBe(1);
    expect((await openModelFolder(dir)).config.weights).toBe("f32");
  });
});

describe("ModelScope's two forms of a file's address", () => {
  const modelRequests = (requests: readonly string[]) => requests.filter((line) => line.includes("model.pt"));

  test("the client's is asked for, and no other", async () => {
    const hub = await hubServer(ID, FILES, {}, ["client"]);
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
    expect(modelRequests(hub.requests)).toEqual([`GET ${MODEL_PT}`]);
  });

  test("where a server does not know it, that of the web page", async () => {
    const hub = await hubServer(ID, FILES, {}, ["page"]);
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
    expect(modelRequests(hub.requests)).toEqual([`GET ${MODEL_PT}`, `GET ${MODEL_PT_ON_PAGE}`]);
  });

  test("what has come by one is not fetched again by the other", async () => {
    const hub = await hubServer(ID, FILES, { "model.pt": [cutAfter(1000), status(404)] });
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
    expect(modelRequests(hub.requests)).toEqual([
      `GET ${MODEL_PT}`,
      `GET ${MODEL_PT} from 1000`,
      `GET ${MODEL_PT_ON_PAGE} from 1000`,
    ]);
  });

  test("neither: the error says what happened at both", async () => {
    const hub = await hubServer(ID, FILES, { "model.pt": [status(410), status(403)] });
    await expect(downloadModel(ID, { endpoint: hub.endpoint })).rejects.toThrow(
      /^\[download\] http\S*FilePath=model\.pt: HTTP 410; then \[download\] http\S*master\/model\.pt: HTTP 403: not found or not public$/,
    );
  });
});

describe("a bad line", () => {
  test("goes on where the connection was cut", async () => {
    const hub = await hubServer(ID, FILES, { "model.pt": [cutAfter(1000), cutAfter(2000)] });
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
    expect(hub.requests.filter((request) => request.includes("model.pt"))).toEqual([
      `GET ${MODEL_PT}`,
      `GET ${MODEL_PT} from 1000`,
      `GET ${MODEL_PT} from 3000`,
    ]);
  });

  test("starts over with a server that ignores Range", async () => {
    const faults = { "model.pt": [cutAfter(1000), whole((file) => file)] };
    const hub = await hubServer(ID, FILES, faults);
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
    expect(hub.requests.at(-1)).toBe(`GET ${MODEL_PT} from 1000`);
  });

  test("tries again after 500 and 429", async () => {
    const hub = await hubServer(ID, FILES, { "am.mvn": [status(500), status(429)] });
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
  });

  test("gives up after five failures; the next call goes on with what has come", async () => {
    const faults = { "model.pt": [cutAfter(1000), ...Array.from({ length: 9 }, () => status(503))] };
    const hub = await hubServer(ID, FILES, faults);
    await expect(downloadModel(ID, { endpoint: hub.endpoint })).rejects.toThrow(
      /^\[download\] http\S*FilePath=model\.pt: HTTP 503; gave up after 5 attempts; then \[download\] http\S*\/model\.pt: HTTP 503; gave up after 5 attempts$/,
    );
    expect(downloads("modelscope", ID)).toContain("model.pt.part");
    hub.requests.length = 0;
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
    expect(hub.requests.at(-1)).toBe(`GET ${MODEL_PT} from 1000`);
    expect(downloads("modelscope", ID)).toEqual(Object.keys(FILES).toSorted());
  }, 20_000);

  test.each([
    ["a MiB comes", 2 ** 20, 7],
    ["less than a MiB comes", 2 ** 20 - 1, 5],
  ])(
    "while %s (%i bytes) between two failures, an address is tried %i times",
    async (_, count, attempts) => {
      const large = Buffer.alloc(6.5 * 2 ** 20, 5);
      const cuts = Array.from({ length: 6 }, () => cutAfter(count));
      const hub = await hubServer(ID, { ...FILES, "toy.model": large }, { "toy.model": cuts });
      const dir = await downloadModel(ID, { endpoint: hub.endpoint });
      expect(readFileSync(join(dir, "tokenizer.model")).equals(large)).toBe(true);
      // Then the other address is asked.
      expect(hub.requests.filter((request) => request.includes("FilePath=toy.model"))).toHaveLength(attempts);
    },
    20_000,
  );

  test.each([
    ["sends nothing", -1],
    ["falls silent", 1000],
  ])("is given up after 30 seconds in which the server %s, and tried again", async (_, count) => {
    const silent: Fault = (response, file) => {
      if (count < 0) return true;
      response.writeHead(200, { "content-length": file.length });
      response.write(file.subarray(0, count));
      return true;
    };
    const hub = await hubServer(ID, FILES, { "model.pt": [silent] });
    const asked = () => hub.requests.filter((request) => request.includes("model.pt")).length;
    let came = 0;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const onProgress = ({ task, done }: Progress) => {
      if (task === "model.pt") came = done;
    };
    const download = downloadModel(ID, { endpoint: hub.endpoint, onProgress });
    while (asked() < 1 || came < count) await sleep(1);
    await turns(20);
    vi.advanceTimersByTime(29_999);
    await sleep(400); // more than the wait before another attempt
    expect(asked()).toBe(1);
    vi.advanceTimersByTime(1);
    await expectSound(await download);
    expect(asked()).toBe(2);
  });

  test("wrong bytes are thrown away and fetched once more", async () => {
    const hub = await hubServer(ID, FILES, { "model.pt": [wrong] });
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
  });

  test.each<[string, Fault, RegExp]>([
    ["wrong bytes", wrong, /model\.pt: expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}; try again later/],
    [
      "more bytes than announced",
      whole((file) => Buffer.concat([file, file])),
      /model\.pt: expected 23921 bytes, got \d+; try/,
    ],
  ])("%s twice at both addresses: an error, and nothing is kept", async (_, fault, message) => {
    const hub = await hubServer(ID, FILES, { "model.pt": [fault, fault, fault, fault] });
    await expect(downloadModel(ID, { endpoint: hub.endpoint })).rejects.toThrow(message);
    expect(downloads("modelscope", ID).filter((name) => name.startsWith("model.pt"))).toEqual([]);
  });

  test("a leftover of another version of the file, and one that is too long", async () => {
    const dir = join(home(), "downloads", "modelscope", ID);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "model.pt.part"), Buffer.alloc(5000, 1));
    writeFileSync(join(dir, "am.mvn.part"), Buffer.alloc(5000, 1));
    const hub = await hubServer(ID, FILES);
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
    expect(downloads("modelscope", ID)).toEqual(Object.keys(FILES).toSorted());
  });

  test("a leftover of a process that is no more is taken over", async () => {
    const gone = spawnSync(process.execPath, ["--eval", ""]);
    const dir = join(home(), "downloads", "modelscope", ID);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, `model.pt.${gone.pid}-abc.part`), FILES["model.pt"].subarray(0, 4000));
    writeFileSync(join(dir, `model.pt.${process.pid}-abc.part`), "of one that runs");
    const hub = await hubServer(ID, FILES);
    await expectSound(await downloadModel(ID, { endpoint: hub.endpoint }));
    expect(hub.requests.at(-1)).toBe(`GET ${MODEL_PT} from 4000`);
    expect(downloads("modelscope", ID)).toContain(`model.pt.${process.pid}-abc.part`);
  });

  test("four downloads at once end in one sound model", async () => {
    const hub = await hubServer(ID, FILES, { "model.pt": [cutAfter(500), wrong, cutAfter(700)] });
    const all = Array.from({ length: 4 }, () => downloadModel(ID, { endpoint: hub.endpoint }));
    for (const dir of await Promise.all(all)) await expectSound(dir);
    expect(downloads("modelscope", ID)).toEqual(Object.keys(FILES).toSorted());
    expect(readdirSync(join(home(), "models"))).toEqual(["SenseVoiceSmall"]);
  });
});
