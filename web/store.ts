import type { Kept } from "./recording.ts";

const [DATABASE, STORE] = ["sensevoice", "recordings"];

let opened: Promise<IDBDatabase> | undefined;

/** What was heard, oldest first. Nothing where the browser keeps nothing. */
export async function keptRecordings(): Promise<Kept[]> {
  const all = await ask<Kept[]>("readonly", (store) => store.getAll());
  return (all ?? []).sort((a, b) => a.created - b.created);
}

/** Keeps a recording in place of what was kept of it. @throws QuotaExceededError */
export async function keepRecording(kept: Kept): Promise<void> {
  await ask("readwrite", (store) => store.put(kept));
}

export async function forgetRecording(id: string): Promise<void> {
  await ask("readwrite", (store) => store.delete(id));
}

export async function forgetRecordings(): Promise<void> {
  await ask("readwrite", (store) => store.clear());
}

/** @returns nothing where there is no database: a window that keeps nothing */
async function ask<T>(mode: IDBTransactionMode, request: (store: IDBObjectStore) => IDBRequest<T>) {
  opened ??= open();
  const database = await opened.catch(() => undefined);
  if (!database) return undefined;
  return new Promise<T>((resolve, reject) => {
    const transaction = database.transaction(STORE, mode);
    const asked = request(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onabort = () => reject(transaction.error ?? asked.error);
  });
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
