/** The test vectors of RFC 6238, appendix B (SHA-1 and SHA-256, eight digits). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base32, totp } from './totp.mjs';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const SECRET_256 = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA';

test('RFC 6238 vectors', () => {
  assert.equal(base32(SECRET).toString(), '12345678901234567890');
  for (const [seconds, expected] of [
    [59, '94287082'],
    [1111111109, '07081804'],
    [1111111111, '14050471'],
    [1234567890, '89005924'],
    [2000000000, '69279037'],
    [20000000000, '65353130'],
  ])
    assert.equal(totp(SECRET, { at: seconds * 1000, digits: 8 }), expected);
  assert.equal(totp(SECRET_256, { at: 59_000, digits: 8, algorithm: 'sha256' }), '46119246');
});
