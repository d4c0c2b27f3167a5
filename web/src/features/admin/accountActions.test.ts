// @vitest-environment node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ACTIONS, pathOf, type Asked } from './accountActions';
import { hatProblems } from './accountForms';
import type { Account, Membership } from './api';

const CONTRACT = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../openapi.json'), 'utf8'),
) as { paths: Record<string, Record<string, unknown>> };

describe('actions on accounts', () => {
  it('are posted where the contract has them', () => {
    const account = { id: '{id}' } as Account;
    const membership = { id: '{id}' } as Membership;
    for (const kind of Object.keys(ACTIONS) as Asked['kind'][]) {
      const asked = (
        kind.startsWith('membership-') ? { kind, account, membership } : { kind, account }
      ) as Asked;
      expect(CONTRACT.paths[`/api/v1/${pathOf(asked)}`]).toHaveProperty('post');
    }
  });
});

describe('a hat', () => {
  const hat = { agency_id: 'a', role: 'agency', valid_from: '2026-04-01', valid_to: '' };

  it('needs agency, role and beginning, and ends after it begins', () => {
    expect(hatProblems(hat)).toEqual([]);
    expect(
      hatProblems({ agency_id: '', role: '', valid_from: '', valid_to: '2026-01-01' }).map(
        (problem) => problem.target,
      ),
    ).toEqual(['hat-agency', 'hat-role', 'hat-from']);
    expect(hatProblems({ ...hat, valid_to: '2026-03-31' })).toEqual([
      { target: 'hat-to', message: '終わりの日は、始まりの日より後にしてください。' },
    ]);
  });
});
