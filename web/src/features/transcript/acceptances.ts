/** Taking back what was accepted: the note about it on the server, and the text in the sheet. */
import type * as Y from 'yjs';
import { api, ApiError } from '../../api/client';
import { target, type Transcript } from './draft';
import { readValue, restoreValue, trace } from './values';

/** How long a draft may take from the server into the sheet here before we give up on it. */
const ARRIVAL_MS = 3000;

/** One field as it was before a draft went in, and as the draft left it. */
export interface Written {
  before: unknown;
  /** {@link trace} of the field once the draft has arrived in the sheet; null until then. */
  after: string | null;
  arrived: Promise<void>;
}

/**
 * Remembers a field that is about to be written. What arrives first is taken for the draft: should
 * it be somebody else's change, the field later differs from it and is left alone.
 */
export function remember(doc: Y.Doc, field: string): Written {
  const former = trace(doc, field);
  let settle = (): void => undefined;
  const written: Written = {
    before: readValue(doc, field),
    after: null,
    arrived: new Promise((resolve) => {
      settle = resolve;
    }),
  };
  const look = (): void => {
    const now = trace(doc, field);
    if (now === former) return;
    written.after = now;
    doc.off('update', look);
    settle();
  };
  doc.on('update', look);
  return written;
}

/** Where a field stands, and what is known of it here. */
export interface Place {
  doc: Y.Doc;
  written: Written;
}

/** What became of each field. */
export interface TakenBack {
  restored: string[];
  /** Written on since, not arrived yet or not known here: left as it is. */
  kept: string[];
  /** The server could not be told; nothing of these was changed. */
  failed: string[];
  error: unknown;
  /** What counts as accepted now, as the server said last. */
  accepted: Transcript['accepted'] | null;
}

/**
 * Takes accepted fields back one after the other. The server is told first: when it cannot be, the
 * sheet and the note about it still agree.
 */
export async function takeBack(
  transcript: string,
  names: readonly string[],
  placeOf: (name: string) => Place | null,
): Promise<TakenBack> {
  const all: TakenBack = { restored: [], kept: [], failed: [], error: null, accepted: null };
  const late = new Promise<void>((resolve) => setTimeout(resolve, ARRIVAL_MS));
  for (const name of names) {
    const place = placeOf(name);
    const { sheet, field } = target(name);
    // Nothing to put back yet would mean that the draft comes in afterwards and stays.
    if (place) await Promise.race([place.written.arrived, late]);
    const after = place?.written.after ?? null;
    if (!place || after === null || trace(place.doc, field) !== after) {
      all.kept.push(name);
      continue;
    }
    try {
      all.accepted = await withdraw(transcript, `${sheet}.${field}`, all.accepted);
    } catch (error) {
      all.failed.push(name);
      all.error = error;
      continue;
    }
    // Meanwhile somebody may have written on.
    if (restoreValue(place.doc, field, place.written.before, after)) all.restored.push(name);
    else all.kept.push(name);
  }
  return all;
}

/** Tells the server; it not being noted as accepted any more is what we want. */
async function withdraw(
  transcript: string,
  name: string,
  known: Transcript['accepted'] | null,
): Promise<Transcript['accepted'] | null> {
  try {
    const answer = await api.delete<Pick<Transcript, 'accepted'>>(
      `transcripts/${encodeURIComponent(transcript)}/acceptances/${encodeURIComponent(name)}`,
    );
    return answer.accepted;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return known;
    throw error;
  }
}
