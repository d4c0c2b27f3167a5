import { describe, expect, it } from 'vitest';
import type { Schema } from '../../api/types';
import { leads, owners } from './charge';

const own = { id: 'a1', name: 'くらしサポート' };
const detail = {
  owner: { id: 'u1', name: '佐々木' },
  owner_agency: own,
  lead_agency: { id: 'a3', name: '学校' },
  members: [
    { agency: { id: 'a2', name: '包括' }, class: 'agency', role: 'member', from: '', active: true },
    {
      agency: { id: 'a4', name: '病院' },
      class: 'agency',
      role: 'member',
      from: '',
      active: false,
    },
  ],
};
const session = {
  account: { id: 'u2', login_id: 'mori', name: '森' },
  membership: {
    id: 'm2',
    agency: { ...own, class: 'coordinator' },
    role: 'coordinator',
    role_label: '',
  },
};

describe('who can be put in charge', () => {
  it('names everybody once and nobody of another agency', () => {
    const records = [
      { staff: { id: 'u1', name: '佐々木' }, agency: own },
      { staff: { id: 'u5', name: '田中' }, agency: { id: 'a2', name: '包括' } },
      { staff: { id: 'u6', name: '林' }, agency: own },
    ];
    expect(owners(detail, session, [], records).map((choice) => choice.code)).toEqual([
      'u1',
      'u2',
      'u6',
    ]);
  });

  it('leaves stopped accounts and stopped hats out', () => {
    const hat = (active: boolean): Schema<'MembershipAnswer'>[] => [
      {
        id: 'm',
        account_id: 'u',
        agency: own,
        role: 'coordinator',
        role_label: '',
        valid_from: '2026-01-01',
        active,
        version: 1,
      } as Schema<'MembershipAnswer'>,
    ];
    const accounts = [
      { id: 'u7', name: '今', active: true, memberships: hat(true) },
      { id: 'u8', name: '止', active: false, memberships: hat(true) },
      { id: 'u9', name: '元', active: true, memberships: hat(false) },
    ];
    expect(owners(detail, session, accounts, []).map((choice) => choice.code)).toEqual([
      'u1',
      'u2',
      'u7',
    ]);
  });

  it('offers the agencies that are in the case now, and the present lead', () => {
    expect(leads(detail).map((choice) => choice.code)).toEqual(['a1', 'a3', 'a2']);
  });
});
