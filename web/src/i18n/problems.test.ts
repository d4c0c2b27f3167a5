// @vitest-environment node
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../api/client';
import { FIELD_WORDS, PROBLEM_WORDS, problemText } from './problems';

/** The server's own source is the list of its codes: nothing to keep in step by hand. */
const SERVER = join(import.meta.dirname, '../../../server/api/src');

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    if (!entry.name.endsWith('.rs')) return [];
    // Tests at the end of a file assert on codes of other places too.
    return [readFileSync(path, 'utf8').split('#[cfg(test)]')[0] ?? ''];
  });
}

const TEXT = sources(SERVER).join('\n');
/** Where codes of fields come from too. */
const ALL = ['api', 'store', 'domain', '../pipelines/intake']
  .flatMap((part) => sources(join(SERVER, '../..', part, 'src')))
  .join('\n');

function codes(...patterns: RegExp[]): string[] {
  const found = new Set<string>();
  for (const pattern of patterns)
    for (const match of TEXT.matchAll(pattern)) if (match[1]) found.add(match[1]);
  return [...found].sort();
}

describe('the wording of refusals', () => {
  it('covers every problem code of the server', () => {
    const sent = codes(
      /ApiError::(?:conflict|unavailable)\(\s*"([a-z_]+)"/g,
      /(?:ApiError|Self)::new\(\s*StatusCode::[A-Z_]+,\s*"([a-z_]+)"/g,
      /StatusCode::[A-Z_]+,\s*"([a-z_]+)"/g,
      /\bcode: "([a-z_]+)"/g,
    );
    expect(sent).toContain('models_not_ready');
    expect(sent.length).toBeGreaterThan(15);
    expect(sent.filter((code) => !(code in PROBLEM_WORDS))).toEqual([]);
  });

  it('covers every code of a field', () => {
    const sent = codes(
      /(?:FieldProblem::new|invalid_field)\((?:[^(),]|\([^()]*\))+,\s*"([a-z_]+)",?\s*\)/g,
    );
    expect(sent).toContain('too_long');
    expect(sent.length).toBeGreaterThan(8);
    expect(sent.filter((code) => !(code in FIELD_WORDS))).toEqual([]);
  });

  it('has words for nothing that is never sent', () => {
    // `offline` and `broken_off` are the browser's own; `password_wrong` is made of `invalid_credentials`.
    const own = ['offline', 'broken_off', 'password_wrong'];
    const known = [...Object.keys(PROBLEM_WORDS), ...Object.keys(FIELD_WORDS)];
    expect(known.filter((code) => !own.includes(code) && !ALL.includes(`"${code}"`))).toEqual([]);
  });

  it('says what is wrong when no field can be marked', () => {
    const error = new ApiError(422, 'invalid', [{ path: 'text', code: 'too_long' }]);
    expect(problemText(error)).toBe(
      '受け付けられない内容がありました：長すぎます。短くしてください。',
    );
    expect(problemText(new ApiError(503, 'models_not_ready'))).toContain('準備しています');
    expect(problemText(new ApiError(500, 'internal', [], { request_id: 'abc' }))).toContain('abc');
  });
});
