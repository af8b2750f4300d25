/** An event of a CMX 3600 list, times in frames. */
export interface EdlEvent {
  readonly reel: string;
  readonly tracks: string;
  readonly source: readonly [from: number, to: number];
  readonly record: readonly [from: number, to: number];
  readonly comments: readonly string[];
}

const CODE = "(\\d\\d):(\\d\\d):(\\d\\d):(\\d\\d)";
const EVENT = new RegExp(`^(\\d{3}) {2}(\\w{1,8}) +(AA|AA/V) +C {8}${CODE} ${CODE} ${CODE} ${CODE}$`);

/** Reads a non-drop list of cuts strictly, and throws at the first line that is not as SMPTE 258M has it. */
export function parseEdl(text: string, framesPerSecond: number): { title: string; events: EdlEvent[]; rest: string[] } {
  const [title, mode, empty, ...lines] = text.split("\n");
  if (!/^TITLE: .{1,70}$/.test(title) || mode !== "FCM: NON-DROP FRAME" || empty !== "") throw new Error("bad heading");
  if (lines.pop() !== "") throw new Error("no line break at the end");
  const events: (EdlEvent & { comments: string[] })[] = [];
  const rest: string[] = [];
  for (const line of lines) {
    if (line.startsWith("* FAILED: ")) rest.push(line);
    else if (line.startsWith("* ") && events.length > 0) events[events.length - 1].comments.push(line);
    else {
      const match = EVENT.exec(line);
      if (!match) throw new Error(`not an event: ${line}`);
      if (Number(match[1]) !== events.length + 1) throw new Error(`out of order: ${line}`);
      if (match[2].padEnd(8) !== line.slice(5, 13)) throw new Error(`the reel is not in its column: ${line}`);
      const times = [4, 8, 12, 16].map((at) => {
        const [h, m, s, f] = match.slice(at, at + 4).map(Number);
        if (h > 23 || m > 59 || s > 59 || f >= framesPerSecond) throw new Error(`not a time: ${line}`);
        return ((h * 60 + m) * 60 + s) * framesPerSecond + f;
      });
      const [from, to, start, end] = times;
      if (to <= from || end - start !== to - from) throw new Error(`lengths differ: ${line}`);
      if (start !== (events.at(-1)?.record[1] ?? 0)) throw new Error(`not after the one before: ${line}`);
      events.push({ reel: match[2], tracks: match[3], source: [from, to], record: [start, end], comments: [] });
    }
  }
  return { title, events, rest };
}
