import { textOf } from "../output/format.ts";
import { commonLength } from "../speech/live.ts";
import { Ear } from "./ear.ts";
import { checkFields, fromTexts } from "./fields.ts";
import { HttpError } from "./httpError.ts";
import { RawSound } from "./rawSound.ts";
import { liveSchema } from "./schemas.ts";
import type { RequestContext, Service } from "./service.ts";
import { type LiveSocket, openSocket, type Session } from "./sockets.ts";

/**
 * Live sound: raw samples as binary messages, then `{"type":"end"}`. Each result is a message, the last `{"type":"done"}`.
 * What the address asks for is checked once the socket is open: a page cannot read another answer.
 */
export function openLive(c: RequestContext, service: Service): Promise<Response> {
  const texts = new Map(Object.entries(c.req.queries()));
  return openSocket(c, service, {
    begin: (socket) => new LiveSession(socket, service, texts),
    told: (error) => error.body,
  });
}

class LiveSession implements Session {
  readonly #socket: LiveSocket;
  readonly #ear: Ear;
  readonly #sound: RawSound;

  constructor(socket: LiveSocket, { engine }: Service, texts: ReadonlyMap<string, readonly string[]>) {
    const fields = checkFields(liveSchema, fromTexts(liveSchema.shape, texts));
    const { encoding, rate, channels, marks, ...ask } = fields;
    const show = textOf(marks);
    let before = "";
    this.#socket = socket;
    this.#ear = new Ear(
      engine!,
      ask,
      async (result) => {
        const text = show(result);
        const stable = result.final ? text.length : commonLength(before, text);
        before = result.final ? "" : text;
        await socket.send({ ...result, text, stable });
      },
      (error) => socket.fail(error),
    );
    this.#sound = new RawSound({ encoding, rate, channels }, (pcm) => {
      socket.count(pcm.length);
      return this.#ear.write(pcm);
    });
  }

  async take(message: Buffer, binary: boolean): Promise<void> {
    if (binary) return this.#sound.write(message);
    checkEnd(message.toString());
    await this.finish();
    await this.#socket.send({ type: "done" });
    await this.#socket.end(1000, "");
  }

  async finish(): Promise<void> {
    try {
      await this.#sound.end();
    } finally {
      await this.#ear.finish();
    }
  }

  drop(): void {
    this.#ear.drop();
  }
}

/** @throws HttpError 400 */
function checkEnd(text: string): void {
  const expected = 'expected sound as binary messages, or {"type":"end"} as text';
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    throw new HttpError(400, `${expected}; got a text that is not JSON`, { code: "invalid_payload" });
  }
  if (typeof message === "object" && message !== null && "type" in message && message.type === "end") return;
  throw new HttpError(400, `${expected}; got another text`, { code: "invalid_value" });
}
