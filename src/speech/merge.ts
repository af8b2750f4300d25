/** From one moment of a recording to another, in milliseconds. */
export type Span = readonly [start: number, end: number];

/** A pause longer than this, in ms, belongs to no segment: so memory is bounded. */
export const LONGEST_PAUSE = 60_000;

/** Makes segments of stretches of speech as they come. Moments only rise. */
export interface Merger {
  /** Speech begins. Returns the segments that are complete by that. */
  begin(start: number): Span[];
  /** Speech ends. */
  end(end: number): Span[];
  /** The recording is over, or a pause is longer than any that belongs to a segment. */
  close(): Span[];
  /** No segment to come begins before this; undefined while nothing is held. */
  oldest(): number | undefined;
}

/** Each stretch of speech is a segment. */
export function createSplitter(): Merger {
  let open: number | undefined;
  return {
    begin(start) {
      open = start;
      return [];
    },
    end(end) {
      const start = open ?? end;
      open = undefined;
      return end > start ? [[start, end]] : [];
    },
    close: () => [],
    oldest: () => open,
  };
}

/**
 * Joins neighbours to segments of less than `longest` ms, the pauses between them included, with the same cuts as
 * `merge_vad` (funasr/utils/vad_utils.py) of the whole list. Of the rising moments t at which speech begins or ends,
 * a segment ends at t[i] if t[i + 1] is `longest` or more after its beginning; the first begins at 0. So a pause may
 * be a segment of its own. A stretch that is alone stays as it is.
 *
 * Unlike there, the recording falls apart at pauses of more than a minute, which belong to no segment.
 */
export function createMerger(longest: number): Merger {
  let from = 0;
  /** The latest moment that was decided on, and the latest there was. */
  let decided = 0;
  let latest = 0;
  /** Moments of this part of the recording. The first two wait for a third. */
  let count = 0;
  let waiting: number[] = [];
  const add = (moment: number): Span[] => {
    waiting.push(moment);
    latest = moment;
    if (++count < 3) return [];
    const spans = waiting.flatMap(decide);
    waiting = [];
    return spans;
  };
  const decide = (moment: number): Span[] => {
    const spans: Span[] = [];
    if (moment - from >= longest) {
      if (decided > from) spans.push([from, decided]);
      from = decided;
    }
    decided = moment;
    return spans;
  };
  const close = (): Span[] => {
    const [start, end] = count < 3 ? waiting : [from, decided];
    count = 0;
    waiting = [];
    return end > start ? [[start, end]] : [];
  };
  return {
    begin(start) {
      if (start - latest <= LONGEST_PAUSE) return add(start);
      const spans = close();
      from = decided = start;
      return [...spans, ...add(start)];
    },
    end: add,
    close,
    oldest: () => (count > 0 ? from : undefined),
  };
}
