import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';

/**
 * Frames of `/api/collab/{document}`: y-protocols sync (0), awareness (1), query awareness (3),
 * and two of our own: durability barrier (100) and refusal (101).
 */
export const SYNC = 0;
export const AWARENESS = 1;
export const QUERY_AWARENESS = 3;
export const BARRIER = 100;
export const REFUSAL = 101;

/** Kinds within a sync frame. */
export const STEP1 = 0;
export const STEP2 = 1;
export const UPDATE = 2;

/** A frame the server sent. */
export type Incoming =
  | { kind: 'step1'; stateVector: Uint8Array }
  | { kind: 'step2' | 'update'; update: Uint8Array }
  | { kind: 'awareness'; update: Uint8Array }
  | { kind: 'queryAwareness' }
  | { kind: 'barrier'; number: number }
  | { kind: 'refusal'; code: number; reason: string }
  | { kind: 'unknown' };

/** Reads one frame. Throws on truncated bytes; unknown kinds are reported as such. */
export function readFrame(bytes: Uint8Array): Incoming {
  const from = decoding.createDecoder(bytes);
  switch (decoding.readVarUint(from)) {
    case SYNC:
      switch (decoding.readVarUint(from)) {
        case STEP1:
          return { kind: 'step1', stateVector: decoding.readVarUint8Array(from) };
        case STEP2:
          return { kind: 'step2', update: decoding.readVarUint8Array(from) };
        case UPDATE:
          return { kind: 'update', update: decoding.readVarUint8Array(from) };
        default:
          return { kind: 'unknown' };
      }
    case AWARENESS:
      return { kind: 'awareness', update: decoding.readVarUint8Array(from) };
    case QUERY_AWARENESS:
      return { kind: 'queryAwareness' };
    case BARRIER: {
      const payload = decoding.createDecoder(decoding.readVarUint8Array(from));
      return { kind: 'barrier', number: decoding.readVarUint(payload) };
    }
    case REFUSAL:
      return {
        kind: 'refusal',
        code: decoding.readVarUint(from),
        reason: decoding.readVarString(from),
      };
    default:
      return { kind: 'unknown' };
  }
}

function syncFrame(kind: number, payload: Uint8Array): Uint8Array {
  const to = encoding.createEncoder();
  encoding.writeVarUint(to, SYNC);
  encoding.writeVarUint(to, kind);
  encoding.writeVarUint8Array(to, payload);
  return encoding.toUint8Array(to);
}

/** Asks for what this state vector lacks. */
export function step1(stateVector: Uint8Array): Uint8Array {
  return syncFrame(STEP1, stateVector);
}

/** Answer to a step 1. */
export function step2(update: Uint8Array): Uint8Array {
  return syncFrame(STEP2, update);
}

/** An edit. */
export function update(bytes: Uint8Array): Uint8Array {
  return syncFrame(UPDATE, bytes);
}

/** Presence. */
export function awareness(bytes: Uint8Array): Uint8Array {
  const to = encoding.createEncoder();
  encoding.writeVarUint(to, AWARENESS);
  encoding.writeVarUint8Array(to, bytes);
  return encoding.toUint8Array(to);
}

/** Comes back unchanged once everything sent before it is durable. */
export function barrier(number: number): Uint8Array {
  const payload = encoding.createEncoder();
  encoding.writeVarUint(payload, number);
  const to = encoding.createEncoder();
  encoding.writeVarUint(to, BARRIER);
  encoding.writeVarUint8Array(to, encoding.toUint8Array(payload));
  return encoding.toUint8Array(to);
}
