// @vitest-environment node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ACTIONS, pathOf, type Asked } from './accountActions';
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
