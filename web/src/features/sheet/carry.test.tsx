import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { DocumentInfo } from '../../api/types';
import { fieldsOf, type FormDefinition } from '../../forms/definition';
import { ToastProvider } from '../../ui';
import type { CaseDetail } from '../cases/api';
import { CarryBar, CarryHint, type Offer } from './Carry';
import { PaperSheet } from './PaperSheet';

const base = { pii: 'none', person: 'client', group: 'plan' };
const definition: FormDefinition = {
  id: 'plan',
  code: 'PLN',
  title: 'プランシート',
  version: '0.1.0',
  schema: 1,
  verified: false,
  source: 'D',
  repeated: true,
  date: 'planned_on',
  lists: [
    {
      id: 'kind',
      title: '区分',
      options: [
        { code: 'first', label: '初回プラン' },
        { code: 're', label: '再プラン' },
      ],
    },
  ],
  sections: [
    {
      id: 's',
      title: '希望と方針',
      fields: [
        { id: 'kind', label: 'プラン区分', type: 'select', options: 'kind', ...base },
        { id: 'goal', label: '長期目標', type: 'textarea', ...base },
        {
          id: 'reason',
          label: '見直しの理由',
          type: 'textarea',
          visible_when: { field: 'kind', op: 'eq', value: 're' },
          ...base,
        },
        {
          id: 'items',
          label: '解決したい課題',
          type: 'table',
          ...base,
          columns: [{ id: 'issue', label: '課題', type: 'textarea', required: true, ...base }],
        },
        {
          id: 'present',
          label: '出席者',
          type: 'table',
          ...base,
          columns: [
            { id: 'org', label: '機関', type: 'text', ...base },
            { id: 'name', label: '氏名', type: 'text', ...base },
            { id: 'role', label: '役割', type: 'text', ...base },
          ],
        },
        { id: 'place', label: '住まい', type: 'text', confidential_address: true, ...base },
        { id: 'signature', label: '本人署名', type: 'signature', ...base },
      ],
    },
  ],
};
const offers: Offer[] = [
  { field: 'goal', from: 'plan.goal', title: 'プランシート', number: 1, value: '一人で暮らす' },
  { field: 'goal', from: 'intake.request', title: '相談受付・申込票', value: '家賃のこと' },
  {
    field: 'items',
    from: 'plan.items',
    title: 'プランシート',
    number: 1,
    value: [{ issue: '滞納' }, { issue: '孤立' }],
  },
] as unknown as Offer[];
const references = { users: [], orgs: [], persons: [] };
const take = vi.fn(() => Promise.resolve());
const field = (id: string) => fieldsOf(definition).find((one) => one.id === id)!;

function show(children: React.ReactNode) {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <ToastProvider>{children}</ToastProvider>
    </QueryClientProvider>,
  );
}

beforeEach(() => take.mockClear());

describe('values of other sheets', () => {
  it('stand beside the field with their source, each with its own button', async () => {
    show(
      <CarryHint
        definition={definition}
        field={field('goal')}
        carrying={{ offers, take }}
        references={references}
      />,
    );
    expect(screen.getByText('プランシート 第1回：')).toBeDefined();
    fireEvent.click(
      screen.getByRole('button', { name: /引き継ぐ.*長期目標、相談受付・申込票から/ }),
    );
    await waitFor(() => expect(take).toHaveBeenCalledWith([offers[1]]));
  });

  it('are taken together only after they were shown, the nearest of each empty field', async () => {
    show(
      <CarryBar
        definition={definition}
        carrying={{ offers, take }}
        references={references}
        isEmpty={(one) => one.id !== 'kind'}
      />,
    );
    fireEvent.click(screen.getByRole('button', { name: '内容を見てまとめて引き継ぐ' }));
    expect(take).not.toHaveBeenCalled();
    const dialog = await screen.findByRole('dialog');
    expect(within(dialog).getByText('一人で暮らす')).toBeDefined();
    expect(within(dialog).queryByText('家賃のこと')).toBeNull();
    expect(within(dialog).getByText('2行（滞納、孤立）')).toBeDefined();
    fireEvent.click(within(dialog).getByRole('button', { name: '引き継ぐ' }));
    await waitFor(() => expect(take).toHaveBeenCalledWith([offers[0], offers[2]]));
  });

  it('are not offered where everything is written', () => {
    show(
      <CarryBar
        definition={definition}
        carrying={{ offers, take }}
        references={references}
        isEmpty={() => false}
      />,
    );
    expect(screen.queryByRole('button')).toBeNull();
  });
});

describe('a long offer', () => {
  it('is cut, and read whole on request', () => {
    const words = '家の中の段差と買い物の手段を'.repeat(8);
    show(
      <CarryHint
        definition={definition}
        field={field('goal')}
        carrying={{
          offers: [{ ...offers[1], value: words } as unknown as Offer],
          take: vi.fn(),
        }}
        references={references}
      />,
    );
    const item = screen.getByRole('listitem');
    expect(item.textContent).not.toContain(words);
    fireEvent.click(screen.getByRole('button', { name: '全文を表示' }));
    expect(item.textContent).toContain(words);
    fireEvent.click(screen.getByRole('button', { name: '短く表示' }));
    expect(item.textContent).not.toContain(words);
  });
});

describe('a sheet on paper', () => {
  const paper = (fields: Parameters<typeof PaperSheet>[0]['fields'], masked = false) => {
    show(
      <PaperSheet
        definition={definition}
        fields={fields}
        masked={masked}
        info={
          { section: 'plan', number: 2, state: 'draft', dated_on: '2026-04-01' } as DocumentInfo
        }
        detail={
          {
            case_no: '2026-0001',
            clients: [{ display: masked ? '［氏名1］' : '山本 花子' }],
            sections: [],
            consent: [],
            received_on: '2026-03-01',
          } as unknown as CaseDetail
        }
        references={references}
        municipality="みどり野市"
        printedBy="佐々木"
        printedAt={new Date('2026-04-02T00:00:00Z')}
        zone="Asia/Tokyo"
      />,
    );
    return document.querySelector('.paper')!.textContent;
  };

  it('has municipality, number, state, the remark, boxes to tick and room to write', () => {
    const text = paper({ kind: { value: 'first', withheld: false } });
    for (const part of ['みどり野市', 'プラン 第2回', '2026-0001', '山本 花子', '令和8年4月1日'])
      expect(text).toContain(part);
    expect(text).toContain('作成中（未確定）');
    expect(text).toContain('※未検証');
    expect(text).toContain('☑ 初回プラン');
    expect(text).toContain('□ 再プラン');
    expect(text).not.toContain('見直しの理由');
    expect(screen.getAllByRole('row').length).toBeGreaterThan(7);
    expect(text).not.toContain('マスク済み');
  });

  it('prints every column of a table nobody wrote in, and the used ones of a written one', () => {
    const empty = paper({ kind: { value: 'first', withheld: false } });
    for (const column of ['機関', '氏名', '役割']) expect(empty).toContain(column);
    cleanup();
    const written = paper({
      present: {
        rows: [{ id: 'r1', cells: { name: { value: '田中', withheld: false } } }],
        withheld: false,
      },
    });
    expect(written).toContain('氏名');
    expect(written).not.toContain('役割');
    cleanup();
    // A row in which nothing is written yet still has its columns.
    const started = paper({ present: { rows: [{ id: 'r1', cells: {} }], withheld: false } });
    expect(started).toContain('役割');
  });

  it('tells why an address is missing on a print of the original', () => {
    expect(paper({ place: { value: '東町', withheld: false } })).not.toContain('住所秘匿');
    cleanup();
    expect(paper({ place: { withheld: true } })).toContain('住所秘匿のため');
  });

  it('says what is not printed, and shows a masked reader nothing else', () => {
    const text = paper(
      {
        kind: { value: 're', withheld: false },
        place: { withheld: true },
        items: {
          rows: [{ id: 'r1', cells: { issue: { text: '［氏名1］の滞納', withheld: false } } }],
          withheld: false,
        },
      },
      true,
    );
    expect(text).toContain('マスク済み（個人情報として取扱い）');
    expect(text).toContain('（印刷しません）');
    expect(text).toContain('見直しの理由');
    expect(text).toContain('［氏名1］の滞納');
    expect(text).not.toContain('山本');
  });
});
