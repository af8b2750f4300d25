/** Endings of what is likely to be a sound, for folders in which there is more. */
const SOUND = /\.(wav|mp3|flac|og[ga]|opus|aiff?|aifc|sph|m4a|aac|mp4|mov|webm|mkv|caf|amr|wma)$/i;

/** What was dropped or chosen: sounds, and how many files are none. */
export interface Found {
  readonly files: readonly File[];
  readonly others: number;
}

/** Files as they are; of folders what is likely to be a sound, in the order of their names. */
export async function filesOf(items: DataTransferItemList): Promise<Found> {
  // Asked for at once: the list is empty after the first wait.
  const entries = [...items].flatMap((item) => {
    const entry = item.webkitGetAsEntry?.();
    return entry ? [{ entry, file: item.getAsFile() }] : [];
  });
  const files: File[] = [];
  let others = 0;
  for (const { entry, file } of entries) {
    if (entry.isFile && file) files.push(file);
    else {
      const found = soundsOf(await filesIn(entry));
      files.push(...found.files);
      others += found.others;
    }
  }
  return { files, others };
}

export function soundsOf(files: readonly File[]): Found {
  const sounds = files.filter(({ name, type }) => SOUND.test(name) || /^(audio|video)\//.test(type));
  return { files: sounds, others: files.length - sounds.length };
}

async function filesIn(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile)
    return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    // A reader gives a hundred or so at a time.
    const more = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (more.length === 0) break;
    entries.push(...more);
  }
  entries.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const files = [];
  for (const inner of entries) if (!inner.name.startsWith(".")) files.push(...(await filesIn(inner)));
  return files;
}
