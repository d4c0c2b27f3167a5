import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { problemText } from '../../i18n/problems';
import { Button, Card, ConfirmDialog, Empty, Table, useToast } from '../../ui';
import { dateTime } from '../cases/dates';
import { QueryState } from '../cases/parts';
import type { Mapping } from './api';
import { useMappings, useTables } from './tables';

/** The names of other systems that are kept for everybody who imports. */
export function MappingsPanel() {
  const { session } = useSession();
  const client = useQueryClient();
  const toast = useToast();
  const tables = useTables();
  const query = useMappings();
  const [asked, setAsked] = useState<Schema<'MappingAnswer'> | null>(null);
  const items = query.data?.items ?? [];
  const remove = async (id: string): Promise<void> => {
    try {
      await api.delete(`exchange-mappings/${id}`);
      toast('名前の対応を消しました。');
    } catch (error) {
      toast(problemText(error), { tone: 'error' });
    } finally {
      setAsked(null);
      await client.invalidateQueries({ queryKey: ['exchange-mappings'] });
    }
  };
  const said = (kept: Schema<'MappingAnswer'>): string[] => {
    const mapping = kept.mapping as unknown as Mapping;
    const columns = tables.data?.find((table) => table.id === kept.table)?.columns ?? [];
    const label = (id: string): string =>
      columns.find((column) => column.id === id)?.label ?? (id === '' ? '取り込まない' : id);
    const option = (column: string, code: string): string =>
      columns.find((one) => one.id === column)?.options.find((one) => one.code === code)?.label ??
      code;
    return [
      ...Object.entries(mapping.columns).map(([name, id]) => `${name} → ${label(id)}`),
      ...Object.entries(mapping.options).flatMap(([column, names]) =>
        Object.entries(names).map(
          ([name, code]) => `${label(column)}：${name} → ${option(column, code)}`,
        ),
      ),
    ];
  };
  return (
    <Card title="ほかのシステムの名前" icon="link" flush>
      {!query.data && (
        <div className="card__body">
          <QueryState query={query} what="名前の対応" />
        </div>
      )}
      {query.data && items.length === 0 && (
        <Empty icon="link" title="まだありません">
          取込で「ここにない名前」の対応を選び、「対応を残す」で残すと、ここに並びます。国のツールの見出しとの照合は済んでいません（未検証）。
        </Empty>
      )}
      {items.length > 0 && (
        <Table
          caption="ほかのシステムの名前の表"
          captionHidden
          rows={items}
          rowKey={(kept) => kept.id}
          columns={[
            { key: 'name', head: '名前', header: true, cell: (kept) => kept.name },
            {
              key: 'table',
              head: '取り込むもの',
              cell: (kept) => tables.data?.find((one) => one.id === kept.table)?.title ?? '',
            },
            {
              key: 'what',
              head: '読み替え',
              cell: (kept) => (
                <ul className="exchange__list">
                  {said(kept).map((line) => (
                    <li key={line}>{line}</li>
                  ))}
                </ul>
              ),
            },
            {
              key: 'at',
              head: '変えた日時',
              cell: (kept) => dateTime(kept.updated_at, session.municipality.zone),
            },
            ...(query.data?.may_edit
              ? [
                  {
                    key: 'act',
                    head: '操作',
                    cell: (kept: Schema<'MappingAnswer'>) => (
                      <Button size="s" icon="trash" onClick={() => setAsked(kept)}>
                        消す
                      </Button>
                    ),
                  },
                ]
              : []),
          ]}
        />
      )}
      {asked && (
        <ConfirmDialog
          title={`「${asked.name}」を消しますか`}
          isOpen
          danger
          confirmLabel="消す"
          onConfirm={() => void remove(asked.id)}
          onCancel={() => setAsked(null)}
        >
          取り込んだ記録はそのままです。
        </ConfirmDialog>
      )}
    </Card>
  );
}
