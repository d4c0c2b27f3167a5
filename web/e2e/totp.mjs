/** Time-based one-time passwords (RFC 6238 over RFC 4226), as an authenticator computes them. */
import { createHmac } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** @param {string} text base32 without padding; spaces are allowed */
export function base32(text) {
  let bits = '';
  for (const character of text.toUpperCase().replace(/[\s=]/g, '')) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) throw new Error(`not base32: ${character}`);
    bits += value.toString(2).padStart(5, '0');
  }
  const bytes = [];
  for (let at = 0; at + 8 <= bits.length; at += 8)
    bytes.push(Number.parseInt(bits.slice(at, at + 8), 2));
  return Buffer.from(bytes);
}

/** The step a moment belongs to; the server refuses a step it has seen. */
export function step(at = Date.now(), period = 30) {
  return Math.floor(at / 1000 / period);
}

/**
 * @param {string} secret base32
 * @param {{ at?: number, digits?: number, algorithm?: 'sha1' | 'sha256' | 'sha512' }} [options]
 */
export function totp(secret, { at = Date.now(), digits = 6, algorithm = 'sha1' } = {}) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step(at)));
  const digest = createHmac(algorithm, base32(secret)).update(counter).digest();
  const offset = digest[digest.length - 1] & 0x0f;
  const number = (digest.readUInt32BE(offset) & 0x7fffffff) % 10 ** digits;
  return String(number).padStart(digits, '0');
}

const used = new Map();

/** A code whose step this process has not used for the secret yet; waits for the next one if need be. */
export async function freshTotp(secret) {
  const last = used.get(secret) ?? -1;
  while (step() <= last) await new Promise((done) => setTimeout(done, 500));
  // A code that expires while it is being typed would be a flaky refusal.
  const left = 30_000 - (Date.now() % 30_000);
  if (left < 3_000) await new Promise((done) => setTimeout(done, left + 100));
  used.set(secret, step());
  return totp(secret);
}
