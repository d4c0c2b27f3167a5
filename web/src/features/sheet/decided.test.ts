import { describe, expect, it } from 'vitest';
import { decided, saysAll } from './decided';

const decision = {
  plan_document_id: 'p',
  plan_number: 1,
  decided_on: '2026-12-01',
  document_no: 'み福第123号',
  approver: '福祉部長',
} as Parameters<typeof saysAll>[1];

describe('a plan beside its 支援決定', () => {
  it('is no draft any more, and tells what it left empty', () => {
    const read = decided({ status: { value: 'draft' }, goal: { value: '甲' } }, decision);
    expect(read['status']).toEqual({ value: 'decided' });
    expect(read['decided_on']).toEqual({ value: '2026-12-01' });
    expect(read['goal']).toEqual({ value: '甲' });
    expect(saysAll(read, decision)).toBe(true);
  });

  it('keeps what somebody wrote, and what came after the decision', () => {
    const read = decided(
      { status: { value: 'active' }, decided_on: { value: '2026-11-30' } },
      decision,
    );
    expect(read['status']).toEqual({ value: 'active' });
    expect(read['decided_on']).toEqual({ value: '2026-11-30' });
    expect(saysAll(read, decision)).toBe(false);
  });

  it('changes nothing without a decision, and shows nothing that is kept from the reader', () => {
    const fields = { status: { value: 'draft' }, decided_by: { withheld: true } };
    expect(decided(fields, undefined)).toBe(fields);
    expect(decided(fields, decision)['decided_by']).toEqual({ withheld: true });
  });
});
