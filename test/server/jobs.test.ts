import { createHmac, randomUUID } from "node:crypto";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { QueueLink } from "../../src/server/queue/link.ts";
import { beginTurn, takeTurn } from "../../src/server/queue/turns.ts";
import { describeRedis, startRedis, type TestRedis } from "../support/redis.ts";
import type { Running } from "../support/service.ts";
import {
  doneJob,
  isReady,
  json,
  longSound,
  SECRET,
  send,
  sleep,
  soundOf,
  startFront,
  startListener,
  startWorker,
  stopAll,
  until,
} from "./queuePrograms.ts";

describeRedis("jobs over HTTP", () => {
  let redis: TestRedis;
  let listener: Awaited<ReturnType<typeof startListener>>;
  let url: string;
  let worker: Running;
  let connection: Redis;
  let queue: Queue;
  beforeAll(async () => {
    redis = await startRedis();
    listener = await startListener((calls) => [500, 302][calls - 1] ?? 200);
    [{ url }, worker] = await Promise.all([
      startFront(redis, "--allow-webhook", listener.host, "--max-jobs", "3"),
      startWorker(redis, "--max-seconds", "60"),
    ]);
    connection = new Redis(redis.url, { maxRetriesPerRequest: null });
    queue = new Queue("sensevoice", { connection });
    await until(() => isReady(url));
  });
  afterAll(async () => {
    await stopAll();
    await queue.close();
    connection.disconnect();
    listener.close();
    await redis.stop();
  });

  test("a job gives its result in any format, and can be deleted", async () => {
    const answer = await send(`${url}/v1/jobs`, soundOf("en.wav"), { marks: "none" });
    const { status, body } = await json(answer);
    expect(status).toBe(202);
    expect(answer.headers.get("location")).toBe(`/v1/jobs/${body.id}`);
    expect(body.state).toBe("waiting");
    const done = await doneJob(url, body.id);
    expect(done).toMatchObject({ state: "completed", progress: expect.closeTo(5.79, 1), result: { language: "en" } });
    const srt = await fetch(`${url}/v1/jobs/${body.id}?format=srt`);
    expect(await srt.text()).toMatch(/^1\r\n00:00:00,000 --> 00:00:05,795\r\nask not what/);
    expect((await fetch(`${url}/v1/jobs/${body.id}?format=mp3`)).status).toBe(400);
    expect((await fetch(`${url}/v1/jobs/${body.id}`, { method: "DELETE" })).status).toBe(204);
    expect((await fetch(`${url}/v1/jobs/${body.id}`)).status).toBe(404);
  });

  test("what is no sound, or too long, is refused as without a queue, and never tried again", async () => {
    const text = new TextEncoder().encode("not a sound".repeat(100));
    const { status, body } = await json(await send(`${url}/v1/transcribe`, text));
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ param: "file", code: "invalid_audio" });
    expect(body.error.message).toMatch(/^file: not a sound file/);
    const long = await json(await send(`${url}/v1/transcribe`, await longSound(11)));
    expect(long.status).toBe(413);
    expect(long.body.error.code).toBe("audio_too_long");
    const job = await json(await send(`${url}/v1/jobs`, text));
    const failed = await doneJob(url, job.body.id);
    expect(failed).toMatchObject({ state: "failed", error: expect.stringMatching(/^file: not a sound file/) });
    expect((await queue.getJob(job.body.id))?.attemptsMade).toBe(1);
  });

  test("a job that another program added is checked", async () => {
    const wrong = await queue.add("x", { sound: "sensevoice:sound:1", ask: { lang: "en" } }, { attempts: 5 });
    const failed = await until(async () => {
      const job = await queue.getJob(wrong.id ?? "");
      return (await job?.isFailed()) && queue.getJob(wrong.id ?? "");
    });
    expect(failed.attemptsMade).toBe(1);
    expect(JSON.parse(failed.failedReason)).toMatchObject({
      status: 400,
      message: "job: ask.lang: not known here",
    });
    expect((await fetch(`${url}/v1/jobs/${wrong.id}`)).status).toBe(404); // of no key
  });

  test("a webhook is signed, and told again after an error", async () => {
    const refused = await send(`${url}/v1/jobs`, soundOf("en.wav"), { webhook: "http://169.254.169.254/x" });
    expect(refused.status).toBe(400);
    const { body } = await json(await send(`${url}/v1/jobs`, soundOf("zh.wav"), { webhook: listener.url }));
    await until(() => listener.calls.length >= 3);
    await sleep(500);
    expect(listener.calls).toHaveLength(3);
    for (const call of listener.calls) {
      const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = call.headers;
      expect(id).toBe(body.id);
      expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(30);
      const key = Buffer.from(SECRET.slice("whsec_".length), "base64");
      const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${call.body}`).digest("base64");
      expect(signature).toBe(`v1,${mac}`);
      expect(JSON.parse(call.body)).toMatchObject({ type: "job.completed", data: { id, result: { language: "zh" } } });
    }
  });

  test("a webhook is told even if the worker ended before it could say so", async () => {
    const { body } = await json(await send(`${url}/v1/jobs`, soundOf("zh.wav")));
    await doneJob(url, body.id);
    const job = await queue.getJob(body.id);
    await job?.updateData({ ...job.data, webhook: listener.url });
    await connection.zadd("sensevoice:due", 0, body.id, 0, "of-no-job");
    await until(() => listener.calls.some(({ headers }) => headers["webhook-id"] === body.id));
    await until(async () => (await connection.zcard("sensevoice:due")) === 0);
  });

  test("a key with many jobs lets each other key have every second turn", async () => {
    const link = new QueueLink(redis.url, pino({ level: "silent" }));
    const waiting = ["some", "none"] as const;
    await link.ready(1000);
    await connection.lpush("some", "1");
    const turns = async (...keys: string[]) => {
      const taken = [];
      for (const key of keys) taken.push(await takeTurn(link, key, waiting));
      return taken;
    };
    const idle = await takeTurn(link, "many", ["none", "none"]);
    expect(idle).toBe(0);
    expect(await turns("many", "many", "few", "many", "few")).toEqual([1, 2, 0, 3, 1]);
    await beginTurn(connection, 3);
    await beginTurn(connection, 2); // one that was begun anew
    expect(await turns("many", "new", "new", "few")).toEqual([4, 3, 4, 3]);
    await connection.del("some");
    expect(await turns("many")).toEqual([0]);
    await link.close();
  });

  describe("while no worker lives", () => {
    beforeAll(async () => {
      expect(await worker.stop()).toBe(0);
      await until(async () => !(await isReady(url)));
    });

    test("a request that is given up leaves nothing behind", async () => {
      const life = new AbortController();
      const asked = send(`${url}/v1/transcribe`, soundOf("ko.wav"), {}, life.signal).catch(() => {});
      await until(async () => (await queue.count()) === 1);
      expect(await connection.keys("sensevoice:sound:*")).toHaveLength(1);
      life.abort();
      await asked;
      await until(async () => (await queue.count()) === 0);
      await until(async () => (await connection.keys("sensevoice:sound:*")).length === 0);
    });

    test("more jobs than may wait are refused; one that waits can be deleted; others see none of it", async () => {
      const posted = [];
      for (let i = 0; i < 3; i++) posted.push((await json(await send(`${url}/v1/jobs`, soundOf("ja.wav")))).body.id);
      const refused = await json(await send(`${url}/v1/jobs`, soundOf("ja.wav")));
      expect(refused).toMatchObject({ status: 429, body: { error: { code: "queue_full" } } });
      const jobs = await Promise.all(posted.map((id) => queue.getJob(id)));
      expect(jobs.map((job) => job?.priority)).toEqual([0, 1, 2]);
      expect((await fetch(`${url}/v1/jobs/${posted[0]}?format=text`)).status).toBe(409);
      await jobs[1]?.updateData({ ...jobs[1].data, key: "another" });
      expect((await fetch(`${url}/v1/jobs/${posted[1]}`)).status).toBe(404);
      expect((await fetch(`${url}/v1/jobs/${posted[1]}`, { method: "DELETE" })).status).toBe(404);
      for (const id of [posted[0], posted[2]]) {
        expect((await fetch(`${url}/v1/jobs/${id}`, { method: "DELETE" })).status).toBe(204);
      }
      expect(await queue.count()).toBe(1);
      expect((await fetch(`${url}/v1/jobs/${randomUUID()}`)).status).toBe(404);
    });
  });
});
