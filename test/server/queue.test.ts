import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue, QueueEvents } from "bullmq";
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { configText } from "../../src/model/sensevoice/configFile.ts";
import { folderSource } from "../../src/weights/folderSource.ts";
import { describeRedis, freePort, startRedis, type TestRedis } from "../support/redis.ts";
import { startProgram } from "../support/service.ts";
import {
  doneJob,
  isReady,
  json,
  longSound,
  plain,
  send,
  sleep,
  soundOf,
  startFront,
  startListener,
  startWorker,
  stopAll,
  textOf,
  until,
  withoutMarks,
} from "./queuePrograms.ts";

describeRedis("a queue", () => {
  afterEach(stopAll);

  test("workers that are killed at random lose nothing, and nothing is done twice", async () => {
    const redis = await startRedis();
    const listener = await startListener();
    const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
    const events = new QueueEvents("sensevoice", { connection });
    const queue = new Queue("sensevoice", { connection });
    const completed: string[] = [];
    let stalled = 0;
    events.on("completed", ({ jobId }) => completed.push(jobId));
    events.on("stalled", () => stalled++);
    try {
      await events.waitUntilReady();
      const [{ url }, ...workers] = await Promise.all([
        startFront(redis, "--cache", "off", "--allow-webhook", listener.host),
        ...[1, 2, 3].map(() => startWorker(redis)),
      ]);
      await until(() => isReady(url));
      const long = await longSound(6);
      const truth = (await (await send(`${url}/v1/transcribe`, long)).json()).text;
      let open = true;
      const restart = async (at: number) => {
        await workers[at].stop("SIGKILL");
        workers[at] = await startWorker(redis);
      };
      const kill = async () => {
        // All of them while something is heard, so that it is cut off; then one after another.
        await until(async () => (await queue.getActiveCount()) > 0);
        await Promise.all([...workers.keys()].map(restart));
        while (open) {
          await sleep(700 + Math.random() * 1000);
          await restart(Math.floor(Math.random() * workers.length));
        }
      };
      const killing = kill();
      const asked = Array.from({ length: 100 }, async (_, i) => {
        const { file, text } = i % 10 === 5 ? { file: undefined, text: truth } : plain[i % plain.length];
        const sound = file ? soundOf(file) : long;
        await sleep(80 * i);
        if (i % 2 === 0) {
          const { body } = await json(await send(`${url}/v1/transcribe`, sound));
          return { got: withoutMarks(body.text), text: withoutMarks(text) };
        }
        const { status, body } = await json(await send(`${url}/v1/jobs`, sound, { webhook: listener.url }));
        expect(status).toBe(202);
        const { result } = await doneJob(url, body.id);
        return { got: withoutMarks(result.text), text: withoutMarks(text) };
      });
      const answers = await Promise.all(asked);
      open = false;
      await killing;
      for (const { got, text } of answers) expect(got).toBe(text);
      await until(() => listener.calls.length >= 50);
      await sleep(1000);
      // One more: the sound that told the truth.
      expect(completed).toHaveLength(101);
      expect(new Set(completed).size).toBe(101);
      expect(new Set(listener.calls.map(({ headers }) => headers["webhook-id"])).size).toBe(50);
      expect(listener.calls).toHaveLength(50);
      expect(stalled).toBeGreaterThan(0);
      expect(await connection.keys("sensevoice:sound:*")).toEqual([]);
    } finally {
      await events.close();
      await queue.close();
      connection.disconnect();
      listener.close();
      await redis.stop();
    }
  });

  test("Redis that is started again, with and without its data, ends no request", async () => {
    const redis = await startRedis();
    try {
      const [{ url, front }, worker] = await Promise.all([startFront(redis), startWorker(redis)]);
      await until(() => isReady(url));
      await worker.stop("SIGKILL");
      await until(async () => !(await isReady(url)));
      const ask = (names: readonly string[]) =>
        names.map((file) => send(`${url}/v1/transcribe`, soundOf(file)).then((answer) => answer.json()));
      const saved = ask(["en.wav", "ja.wav"]);
      await sleep(1000);
      const client = new Redis(redis.url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
      const [, dir] = (await client.config("GET", "dir")) as [string, string];
      await client.shutdown("SAVE").catch(() => {});
      client.disconnect();
      await redis.kill();
      const begin = performance.now();
      const refused = await send(`${url}/v1/transcribe`, soundOf("ko.wav"));
      expect(performance.now() - begin).toBeLessThan(2000);
      expect(refused.status).toBe(503);
      expect(refused.headers.get("retry-after")).toBe("5");
      expect((await fetch(`${url}/readyz`)).status).toBe(503);
      await sleep(3000);
      await redis.restart();
      const lost = await until(async () => {
        const answers = ask(["zh.wav", "yue.wav"]);
        await sleep(500);
        const early = await Promise.race([Promise.all(answers), sleep(10)]);
        return early ? undefined : answers;
      });
      const other = new Redis(redis.url);
      expect(await other.keys("sensevoice:sound:*")).toHaveLength(4);
      await other.config("SET", "save", "");
      other.disconnect();
      await redis.kill();
      rmSync(join(dir, "dump.rdb"));
      await redis.restart();
      await startWorker(redis);
      const answers = await Promise.all([...saved, ...lost]);
      const truth = ["en.wav", "ja.wav", "zh.wav", "yue.wav"].map((file) => textOf(file));
      expect(answers.map(({ text }) => withoutMarks(text))).toEqual(truth);
      expect(front.log().match(/gone/g)).toHaveLength(2);
      expect(front.log().match(/back/g)).toHaveLength(2);
      expect(front.log()).not.toContain('"level":50');
    } finally {
      await redis.stop();
    }
  });

  test("a worker that is told to stop hands over what it does not finish", async () => {
    const redis = await startRedis();
    const connection = new Redis(redis.url);
    try {
      const long = await longSound(12);
      const { url } = await startFront(redis);
      // Nobody takes a job of a worker that is only late before half a minute is over.
      const first = await startWorker(redis, "--grace", "0.1", "--stall-seconds", "30");
      expect(first.line).toBe(`ready: tiny on cpu, queue ${redis.url}`);
      await until(() => isReady(url));
      const { body } = await json(await send(`${url}/v1/jobs`, long));
      const job = async () => (await json(await fetch(`${url}/v1/jobs/${body.id}`))).body;
      await until(async () => (await job()).progress > 0);
      expect((await job()).state).toBe("active");
      expect(await first.stop()).toBe(0);
      expect((await job()).state).toBe("waiting");
      await startWorker(redis, "--stall-seconds", "30");
      const { result, state } = await doneJob(url, body.id);
      expect(state).toBe("completed");
      const again = await json(await send(`${url}/v1/transcribe`, long));
      expect(result.segments.length).toBeGreaterThan(2);
      expect(result).toEqual({ ...again.body, model: undefined });
      // The stop was none of the attempts that a job has.
      expect(await connection.hget(`bull:sensevoice:${body.id}`, "atm")).toBe("1");
    } finally {
      connection.disconnect();
      await redis.stop();
    }
  });

  test("a sound that ends each worker that hears it fails at last", async () => {
    const redis = await startRedis();
    const connection = new Redis(redis.url);
    try {
      const [{ url }, worker] = await Promise.all([startFront(redis), startWorker(redis)]);
      await until(() => isReady(url));
      const { body } = await json(await send(`${url}/v1/jobs`, await longSound(30)));
      await until(async () => (await json(await fetch(`${url}/v1/jobs/${body.id}`))).body.state === "active");
      await connection.hset(`bull:sensevoice:${body.id}`, "stc", 5); // times that it was begun anew
      await worker.stop("SIGKILL");
      await startWorker(redis);
      const error = "the sound could not be heard: each worker that tried ended";
      expect(await doneJob(url, body.id)).toMatchObject({ state: "failed", error });
      await until(async () => (await connection.keys("sensevoice:sound:*")).length === 0);
    } finally {
      connection.disconnect();
      await redis.stop();
    }
  });

  test("a server with a model of its own serves the queue too", async () => {
    const redis = await startRedis();
    try {
      const { url } = await startFront(redis, "--model", "tiny", "--device", "cpu", "--threads", "1");
      await until(() => isReady(url));
      const { body } = await json(await send(`${url}/v1/transcribe`, soundOf("ja.wav")));
      expect(withoutMarks(body.text)).toBe(textOf("ja.wav"));
      redis.pause();
      const begin = performance.now();
      for (const path of ["transcribe", "jobs"]) {
        const refused = await send(`${url}/v1/${path}`, soundOf("ko.wav"));
        expect(refused.status).toBe(503);
      }
      expect(performance.now() - begin).toBeLessThan(2500);
      redis.resume();
      await until(() => isReady(url));
      expect((await send(`${url}/v1/transcribe`, soundOf("ko.wav"))).status).toBe(200);
    } finally {
      await redis.stop();
    }
  });

  test("a worker with another model is refused while others live", async () => {
    const redis = await startRedis();
    const dir = mkdtempSync(join(tmpdir(), "sensevoice-other-"));
    try {
      cpSync(new URL("../../weights/tiny", import.meta.url), dir, { recursive: true });
      const { digest, ...config } = JSON.parse(readFileSync(join(dir, "config.json"), "utf8"));
      expect(digest).toBeTruthy();
      const text = configText({ ...config, name: "other" }, folderSource(dir).createHash);
      writeFileSync(join(dir, "config.json"), text);
      const first = await startWorker(redis);
      const refusal = /error: queue redis:\S+: expected tiny, which other workers serve, got other\n$/;
      await expect(startWorker(redis, "--model", dir)).rejects.toThrow(refusal);
      await expect(startWorker(redis, "--weights", "f16")).rejects.toThrow("expected tiny with other weights");
      await expect(startFront(redis, "--model", dir, "--device", "cpu")).rejects.toThrow(refusal);
      await first.stop();
      expect((await startWorker(redis, "--model", dir)).line).toContain("ready: other");
    } finally {
      rmSync(dir, { recursive: true });
      await redis.stop();
    }
  });

  test("without Redis, or with an address of something else, nothing crashes", async () => {
    const { url } = await startFront({ url: `redis://:secret@127.0.0.1:${await freePort()}` } as TestRedis);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect((await fetch(`${url}/v1/models`)).status).toBe(503);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await send(`${url}/v1/jobs`, soundOf("en.wav"))).status).toBe(503);
    const secretless = startProgram([
      "serve",
      "--port",
      "0",
      "--queue",
      "redis://localhost:1",
      "--allow-webhook",
      "a.org",
    ]);
    await expect(secretless).rejects.toThrow(
      "error: --webhook-secret: expected whsec_ and the base64 of 24 to 64 bytes",
    );
    await expect(startProgram(["worker", "--queue", "http://secret"])).rejects.toThrow(
      "error: --queue: expected redis://HOST:PORT, got something else",
    );
  });
});
