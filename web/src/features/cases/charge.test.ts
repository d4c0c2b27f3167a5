import { describe, expect, it } from 'vitest';
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
  const colleagues = [
    { id: 'u1', name: '佐々木' },
    { id: 'u2', name: '森' },
    { id: 'u6', name: '林' },
  ];

  it('names everybody once', () => {
    expect(owners(detail, session, colleagues)).toEqual([
      { code: 'u1', label: '佐々木' },
      { code: 'u2', label: '森（あなた）' },
      { code: 'u6', label: '林' },
    ]);
  });

  it('takes nobody from another agency', () => {
    const elsewhere = {
      ...session,
      membership: { ...session.membership, agency: { id: 'a9', name: '別', class: 'coordinator' } },
    };
    expect(owners(detail, elsewhere, colleagues).map((choice) => choice.code)).toEqual(['u1']);
  });

  it('offers the agencies that are in the case now, and the present lead', () => {
    expect(leads(detail).map((choice) => choice.code)).toEqual(['a1', 'a3', 'a2']);
  });
});
