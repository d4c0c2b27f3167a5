const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';

/** A new opaque id for a row, node or tie: 16 base32 characters, 80 random bits. */
export function newId(random: (bytes: Uint8Array) => Uint8Array = cryptoRandom): string {
  const bytes = random(new Uint8Array(16));
  let id = '';
  for (const byte of bytes) id += LETTERS[byte & 31];
  return id;
}

function cryptoRandom(bytes: Uint8Array): Uint8Array {
  return crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
}
