import type { Segment } from "../src/index.ts";
import type { Kept } from "./recording.ts";

/** Recordings by their id; their segments by id and place, so that a long recording is written piece by piece. */
const [DATABASE, RECORDINGS, SEGMENTS] = ["sensevoice", "recordings", "segments"];
/** Segments that are read at a time: more would hold the page. */
const AT_ONCE = 100;

let opened: Promise<IDBDatabase> | undefined;

/** What was heard, oldest first, without its segments. Nothing where the browser keeps nothing. */
export async function keptRecordings(): Promise<Kept[]> {
  const all = await ask<Kept[]>("readonly", (recordings) => recordings.getAll());
  return (all ?? []).sort((a, b) => a.created - b.created);
}

export async function keptSegments(id: string): Promise<Segment[]> {
  const all: Segment[] = [];
  for (;;) {
    const range = IDBKeyRange.bound([id, all.length], [id, all.length + AT_ONCE], false, true);
    const some = await ask<Segment[]>("readonly", (_, segments) => segments.getAll(range));
    all.push(...(some ?? []));
    if ((some?.length ?? 0) < AT_ONCE) return all;
  }
}

/**
 * Keeps a recording, and those of its segments that are new or others.
 *
 * @throws QuotaExceededError
 */
export async function keepRecording(kept: Kept, changed: ReadonlyMap<number, Segment>): Promise<void> {
  await ask("readwrite", (recordings, segments) => {
    for (const [place, segment] of changed) segments.put(segment, [kept.id, place]);
    return recordings.put(kept);
  });
}

export async function forgetRecording(id: string): Promise<void> {
  await ask("readwrite", (recordings, segments) => {
    segments.delete(IDBKeyRange.bound([id], [id, []]));
    return recordings.delete(id);
  });
}

export async function forgetRecordings(): Promise<void> {
  await ask("readwrite", (recordings, segments) => {
    segments.clear();
    return recordings.clear();
  });
}

/** @returns nothing where there is no database: a window that keeps nothing */
async function ask<T>(
  mode: IDBTransactionMode,
  request: (recordings: IDBObjectStore, segments: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  opened ??= open();
  const database = await opened.catch(() => undefined);
  if (!database) return undefined;
  return new Promise<T>((resolve, reject) => {
    const transaction = database.transaction([RECORDINGS, SEGMENTS], mode);
    const asked = request(transaction.objectStore(RECORDINGS), transaction.objectStore(SEGMENTS));
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onabort = () => reject(transaction.error ?? asked.error);
  });
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(RECORDINGS, { keyPath: "id" });
      request.result.createObjectStore(SEGMENTS);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
