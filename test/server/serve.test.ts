import { once } from "node:events";
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { type APIError, BadRequestError, RateLimitError, toFile } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { wavHeader } from "../../src/audio/wav.ts";
import { formOf, SAMPLES, startTestServer, type TestServer } from "./support.ts";

interface Sample {
  readonly file: string;
  readonly text: string;
  readonly use_itn: boolean;
}

const samples = readFileSync(join(SAMPLES, "expected.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line): Sample => JSON.parse(line))
  .filter(({ use_itn }) => !use_itn);
const sound = (name: string) => createReadStream(join(SAMPLES, name));
const bytes = (name: string) => new Uint8Array(readFileSync(join(SAMPLES, name)));

describe("a service", () => {
  let server: TestServer;
  let client: OpenAI;
  beforeAll(async () => {
    server = await startTestServer(["--max-upload", "4MB", "--max-seconds", "60"]);
    client = new OpenAI({ apiKey: "none", baseURL: `${server.address}/v1`, maxRetries: 0 });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.log()).not.toContain('"level":50');
  });
  const transcribe = (body: FormData, route = "/v1/transcribe") => {
    return fetch(`${server.address}${route}`, { method: "POST", body });
  };
  const error = async (answer: Response) => {
    const { error } = await answer.json();
    return [answer.status, error.message];
  };

  test("OpenAI's client gets what was said", async () => {
    for (const { file, text } of samples) {
      const answer = await client.audio.transcriptions.create({ file: sound(file), model: "whisper-1" });
      expect(answer.text).toBe(text);
    }
  });

  test("as text, subtitles, and with the times of words and segments", async () => {
    const ask = { file: () => sound("en.wav"), model: "tiny" };
    const create = (format: "text" | "srt" | "vtt") =>
      client.audio.transcriptions.create({ ...ask, file: ask.file(), response_format: format });
    const text = samples.find(({ file }) => file === "en.wav")?.text as string;
    expect(await create("text")).toBe(`${text}\n`);
    expect(await create("srt")).toMatch(/^1\r\n00:00:00,000 --> 00:00:05,\d{3}\r\nask not what/);
    expect(await create("vtt")).toMatch(/^WEBVTT\n\n00:00:00.000 --> 00:00:05.\d{3}\nask not what/);
    const verbose = await client.audio.transcriptions.create({
      ...ask,
      file: ask.file(),
      response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    });
    expect(verbose).toMatchObject({ language: "english", text, segments: [{ id: 0, start: 0, text, temperature: 0 }] });
    expect(verbose.duration).toBeCloseTo(5.79, 1);
    expect(verbose.words?.map(({ word }) => word).join(" ")).toBe(text);
    expect(verbose.segments?.[0].compression_ratio).toBeGreaterThan(1);
    const words = await client.audio.transcriptions.create({
      ...ask,
      file: ask.file(),
      response_format: "verbose_json",
      timestamp_granularities: ["word"],
    });
    expect(words.segments).toBeUndefined();
    expect(words.words).toHaveLength(17);
  });

  test("log probabilities are those of the text's tokens", async () => {
    const file = sound("zh.wav");
    const answer = await client.audio.transcriptions.create({ file, model: "m", include: ["logprobs"] });
    const { text, logprobs = [] } = answer as {
      text: string;
      logprobs?: { token?: string; logprob?: number; bytes?: number[] }[];
    };
    expect(
      Buffer.from(logprobs.flatMap(({ bytes = [] }) => bytes))
        .toString()
        .trim(),
    ).toBe(text);
    expect(logprobs.every(({ logprob = 1 }) => logprob <= 0)).toBe(true);
  });

  test("streamed, the deltas joined are the text", async () => {
    const ask = { file: sound("ja.wav"), model: "m", stream: true, include: ["logprobs" as const] } as const;
    const events = [];
    for await (const event of await client.audio.transcriptions.create({ ...ask, include: [...ask.include] })) {
      events.push(event);
    }
    const deltas = events.flatMap((event) => (event.type === "transcript.text.delta" ? [event.delta] : []));
    const done = events.at(-1);
    expect(done?.type === "transcript.text.done" && done.text).toBe(deltas.join(""));
    expect(deltas.join("")).toBe("明日の午後三時に会いましょう");
    expect(done?.type === "transcript.text.done" && done.logprobs?.length).toBeGreaterThan(5);
  });

  test("a sound of many segments comes segment by segment, and as one text", async () => {
    const wav = long(40);
    const events = await (
      await transcribe(formOf(wav, { model: "m", stream: "true" }), "/v1/audio/transcriptions")
    ).text();
    const parsed = events
      .trim()
      .split("\n\n")
      .map((line) => JSON.parse(line.replace(/^data: /, "")));
    expect(parsed.filter(({ type }) => type === "transcript.text.delta").length).toBeGreaterThan(1);
    const whole = await client.audio.transcriptions.create({ file: await toFile(wav, "a.wav"), model: "m" });
    expect(parsed.at(-1).text).toBe(whole.text);
    const lines = await (await transcribe(formOf(wav, { format: "jsonl" }))).text();
    const texts = lines
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).text);
    expect(texts.filter((text) => text !== "").join(" ")).toBe(whole.text);
  });

  test("the models are listed", async () => {
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["tiny"]);
    expect((await client.models.retrieve("tiny")).owned_by).toBe("sensevoice");
    await expect(client.models.retrieve("other")).rejects.toThrow(OpenAI.NotFoundError);
  });

  test("everything that the library returns", async () => {
    const answer = await (await transcribe(formOf(bytes("zh-happy.wav"), { timestamps: "true" }))).json();
    expect(answer).toMatchObject({
      text: "祝你生日快乐😊",
      language: "zh",
      emotion: "happy",
      events: ["speech"],
      model: "tiny",
    });
    expect(answer.segments[0].words[0]).toMatchObject({ word: "祝" });
    const plain = await transcribe(formOf(bytes("zh-happy.wav"), { format: "text", marks: "none" }));
    expect(plain.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await plain.text()).toBe("祝你生日快乐\n");
  });

  test("JSON brings the sound in base64, also as a data: URL", async () => {
    const base64 = Buffer.from(bytes("ko.wav")).toString("base64");
    for (const file of [base64, `data:audio/wav;base64,${base64}`]) {
      const body = JSON.stringify({ file, timestamps: false });
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${server.address}/v1/transcribe`, { method: "POST", headers, body });
      expect((await answer.json()).text).toBe("오늘 서울 날씨는 추워요");
    }
  });

  test("the same file again comes from the cache, in any format, at once", async () => {
    const wav = long(12);
    const first = await transcribe(formOf(wav));
    expect(first.headers.get("x-cache")).toBe("miss");
    const expected = await first.json();
    const begin = performance.now();
    const again = await transcribe(formOf(wav));
    const text = await again.json();
    expect(performance.now() - begin).toBeLessThan(200); // a claim of its own is measured by bench/serve.ts
    expect(again.headers.get("x-cache")).toBe("hit");
    expect(text).toEqual(expected);
    expect((await transcribe(formOf(wav, { format: "srt" }))).headers.get("x-cache")).toBe("hit");
    expect((await transcribe(formOf(wav, { language: "en" }))).headers.get("x-cache")).toBe("miss");
  });

  test("errors have OpenAI's classes and one line", async () => {
    const create = async (file: Uint8Array, more: object = {}) => {
      return client.audio.transcriptions.create({ file: await toFile(file, "a.wav"), model: "m", ...more });
    };
    const caught = async (promise: Promise<unknown>) => {
      const error = await promise.then(
        () => undefined,
        (error: unknown) => error,
      );
      return error as APIError;
    };
    const text = await caught(create(new TextEncoder().encode("hello")));
    expect(text).toBeInstanceOf(BadRequestError);
    expect(text).toMatchObject({ status: 400, param: "file", code: "invalid_audio", type: "invalid_request_error" });
    expect(text.message).toBe("400 file: not a sound file, it holds text");
    expect(await caught(create(bytes("zh.wav"), { language: "fr" }))).toMatchObject({ status: 400, param: "language" });
    const include = { include: ["logprobs"], response_format: "text" };
    expect(await caught(create(bytes("zh.wav"), include))).toMatchObject({ status: 400, param: "include" });
    for (const size of [4_000_001, 4_500_000, 20_000_000]) {
      expect(await caught(create(new Uint8Array(size)))).toMatchObject({ status: 413, code: "file_too_large" });
    }
    const tooLong = await caught(create(silence(61)));
    expect(tooLong).toMatchObject({ status: 413, code: "audio_too_long" });
    expect(tooLong.message).toContain("at most 60 seconds");
  });

  test("what is no request is told in one line", async () => {
    const url = `${server.address}/v1/transcribe`;
    const json = (body: string) =>
      fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } });
    const form = (body: string) => {
      return fetch(url, { method: "POST", body, headers: { "content-type": "multipart/form-data; boundary=x" } });
    };
    expect(await error(await fetch(url, { method: "POST", body: "hi" }))).toEqual([
      415,
      'content-type: expected multipart/form-data or application/json, got "text/plain"',
    ]);
    expect(await error(await json("{"))).toEqual([400, "expected a body in JSON, got something else"]);
    expect(await error(await json("[]"))).toEqual([400, "expected a JSON object"]);
    expect(await error(await json('{"file":"%%%"}'))).toEqual([
      400,
      "file: expected the bytes of a sound file in base64",
    ]);
    expect(await error(await json('{"url":"http://127.0.0.1/x"}'))).toMatchObject([
      400,
      expect.stringMatching(/^url: /),
    ]);
    expect((await error(await form("--x")))[0]).toBe(400);
    expect(
      (await error(await form('--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nabc')))[0],
    ).toBe(400);
    expect(await error(await transcribe(new FormData()))).toMatchObject([400, "file: expected a sound file, got none"]);
    const two = formOf(bytes("zh.wav"));
    two.append("file", new Blob([bytes("zh.wav")]), "b.wav");
    expect(await error(await transcribe(two))).toMatchObject([
      400,
      expect.stringContaining("expected one sound, got two"),
    ]);
    expect(await error(await transcribe(formOf(bytes("zh.wav"), { colour: "red" })))).toMatchObject([
      400,
      "colour: not known here",
    ]);
    expect(await error(await transcribe(formOf(bytes("zh.wav"), { hotwords: "☃☃" })))).toMatchObject([
      400,
      expect.stringContaining("hotwords"),
    ]);
    expect(await error(await fetch(`${server.address}/nothing`))).toEqual([
      404,
      "GET /nothing: there is no such route",
    ]);
    const other = await fetch(url, { method: "PUT" });
    expect(other.headers.get("allow")).toBe("POST");
    expect(await error(other)).toEqual([405, "/v1/transcribe: expected POST, got PUT"]);
  });

  test("the service tells how it is", async () => {
    expect((await fetch(`${server.address}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.address}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(`${server.address}/metrics`)).text();
    expect(metrics).toMatch(/sensevoice_requests_total\{route="\/v1\/transcribe",status="200"\} \d/);
    expect(metrics).toMatch(/sensevoice_sound_seconds_total \d/);
    expect(metrics).toMatch(/sensevoice_batch_size_count \d/);
    expect(metrics).toMatch(/sensevoice_cache_total\{outcome="hit"\} \d/);
    expect(metrics).toMatch(/process_resident_memory_bytes \d/);
    expect(metrics).toMatch(/sensevoice_requests_inside 0/);
  });
});

describe("limits", () => {
  test("of 30 uploads at once 20 are heard, each right, and the rest told to come back", async () => {
    const server = await startTestServer();
    const client = new OpenAI({ apiKey: "none", baseURL: `${server.address}/v1`, maxRetries: 0 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => {
        const { file } = samples[i % samples.length];
        // A prompt of its own, so that no answer comes from the cache.
        return client.audio.transcriptions.create({ file: sound(file), model: "m", prompt: `zzz${i}` });
      }),
    );
    let heard = 0;
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") {
        heard++;
        expect(outcome.value.text).toBe(samples[i % samples.length].text);
      } else {
        expect(outcome.reason).toBeInstanceOf(RateLimitError);
        expect(Number(outcome.reason.headers.get("retry-after"))).toBeGreaterThan(0);
      }
    }
    expect(heard).toBeGreaterThanOrEqual(20);
    expect(heard).toBeLessThan(30);
    expect(await server.stop()).toBe(0);
  });

  test("who goes away frees the place, and a slow client is given up", async () => {
    const server = await startTestServer(["--concurrency", "1", "--max-queue", "0", "--idle-timeout", "1"]);
    const slow = (signal?: AbortSignal) => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("--x\r\n")),
      });
      const headers = { "content-type": "multipart/form-data; boundary=x" };
      return fetch(`${server.address}/v1/transcribe`, {
        method: "POST",
        body,
        headers,
        signal,
        duplex: "half",
      } as RequestInit);
    };
    const heard = () => fetch(`${server.address}/v1/transcribe`, { method: "POST", body: formOf(bytes("zh.wav")) });
    const gone = new AbortController();
    const left = slow(gone.signal).catch(() => "left");
    await expect.poll(async () => (await heard()).status).toBe(429);
    gone.abort();
    expect(await left).toBe("left");
    await expect.poll(async () => (await heard()).status).toBe(200);
    expect((await slow()).status).toBe(408);
    await expect.poll(async () => (await heard()).status).toBe(200);
    expect(await server.stop()).toBe(0);
  });

  test("what takes too long ends with 504, within a stream with an event", async () => {
    const server = await startTestServer(["--timeout", "1"]);
    const ask = (fields: Record<string, string>) => {
      const body = formOf(long(200), { vad: "model", ...fields });
      return fetch(`${server.address}/v1/transcribe`, { method: "POST", body });
    };
    const [whole, lines] = await Promise.all([ask({ format: "json" }), ask({ format: "jsonl", mergeSeconds: "0" })]);
    expect([whole.status, await whole.json()]).toMatchObject([
      504,
      { error: { code: "timeout", type: "server_error" } },
    ]);
    if (lines.status === 200) {
      expect(JSON.parse((await lines.text()).trim().split("\n").at(-1) ?? "")).toMatchObject({
        error: { code: "timeout" },
      });
    } else expect(lines.status).toBe(504);
    expect(await server.stop()).toBe(0);
  });

  test("results in a folder outlive the service", async () => {
    const dir = mkdtempSync(join(tmpdir(), "sensevoice-results-"));
    const caches = [];
    for (let i = 0; i < 2; i++) {
      const server = await startTestServer(["--cache", dir, "--hash", "sha256"]);
      const answer = await fetch(`${server.address}/v1/transcribe`, { method: "POST", body: formOf(bytes("zh.wav")) });
      caches.push([answer.headers.get("x-cache"), (await answer.json()).text]);
      expect(await server.stop()).toBe(0);
    }
    const text = "开饭时间上午九点至下午五点";
    expect(caches).toEqual([
      ["miss", text],
      ["hit", text],
    ]);
    rmSync(dir, { recursive: true });
  });

  test("a sound is fetched from a host that was named, and from no other", async () => {
    const files = createServer((_, response) => response.end(bytes("zh.wav"))).listen(0, "127.0.0.1");
    await once(files, "listening");
    const { port } = files.address() as AddressInfo;
    const server = await startTestServer(["--allow-url", `127.0.0.1:${port}`]);
    const ask = async (url: string) => {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${server.address}/v1/transcribe`, {
        method: "POST",
        headers,
        body: JSON.stringify({ url }),
      });
      return [answer.status, await answer.json()];
    };
    expect(await ask(`http://127.0.0.1:${port}/a.wav`)).toMatchObject([200, { text: "开饭时间上午九点至下午五点" }]);
    expect(await ask(server.address)).toMatchObject([400, { error: { param: "url" } }]);
    expect(await server.stop()).toBe(0);
    files.close();
  });

  test("what was accepted is finished before the service stops", async () => {
    const server = await startTestServer();
    const answer = fetch(`${server.address}/v1/transcribe`, { method: "POST", body: formOf(long(100)) });
    await expect
      .poll(async () => (await fetch(`${server.address}/metrics`)).text())
      .toMatch(/sensevoice_requests_inside 1/);
    const stopped = server.stop();
    expect((await answer).status).toBe(200);
    expect((await (await answer).json()).text).not.toBe("");
    expect(await stopped).toBe(0);
  });
});

/** Samples one after another, as a wav of so many seconds. */
function long(seconds: number): Uint8Array<ArrayBuffer> {
  const wav = silence(seconds);
  const clips = samples.map(({ file }) => bytes(file).subarray(44));
  for (let at = 44, i = 0; at < wav.length; i++) {
    const clip = clips[i % clips.length].subarray(0, wav.length - at);
    wav.set(clip, at);
    at += clip.length + 32_000;
  }
  return wav;
}

/** A wav without a sound, 16 kHz, 16 bit. */
function silence(seconds: number): Uint8Array<ArrayBuffer> {
  const size = seconds * 32_000;
  const wav = new Uint8Array(44 + size);
  wav.set(wavHeader({ encoding: "s16le", rate: 16_000, channels: 1 }, size));
  return wav;
}
