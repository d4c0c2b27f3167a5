import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { problemText } from '../../i18n/problems';
import { Button, Card, Notice, Select, TextInput, useToast } from '../../ui';
import { withColumn, withOption, type ImportAnswer, type Mapping } from './api';
import { useMappings, useTables } from './tables';

/** Headers and options that are none of ours, each with a choice of what it is. */
export function MappingCard({
  entry,
  onChanged,
}: {
  entry: ImportAnswer;
  onChanged: () => Promise<void>;
}) {
  const client = useQueryClient();
  const toast = useToast();
  const tables = useTables();
  const kept = useMappings();
  const [mapping, setMapping] = useState<Mapping>(entry.mapping as unknown as Mapping);
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const { file } = entry;
  const columns = tables.data?.find((table) => table.id === entry.table)?.columns ?? [];
  const present = (entry.mapping as unknown as Mapping).columns;
  const headers = file
    ? [...new Set([...file.unknown_headers, ...Object.keys(present).filter((h) => h !== '')])]
    : [];
  const options = Object.entries(file?.unknown_options ?? {});
  if (!file || (headers.length === 0 && options.length === 0)) return null;

  const act = async (work: () => Promise<unknown>): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (error) {
      setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  const check = (): Promise<void> =>
    act(async () => {
      await api.put(`imports/${entry.id}/choices`, { mapping, clear: entry.clear });
      await onChanged();
    });
  const keep = (): Promise<void> =>
    act(async () => {
      await api.post('exchange-mappings', { table: entry.table, name, mapping });
      await client.invalidateQueries({ queryKey: ['exchange-mappings'] });
      toast('名前の対応を残しました。次から選べます。');
      setName('');
    });

  return (
    <Card title="ここにない名前" icon="link">
      <div className="stack">
        {problem && (
          <Notice tone="error" live title="できませんでした">
            {problem}
          </Notice>
        )}
        {headers.length > 0 && (
          <>
            <p>次の見出しは、ここの項目のどれか分かりません。選ばない列は取り込みません。</p>
            <div className="exchange__mapping">
              {headers.map((header) => {
                const value = mapping.columns[header];
                return (
                  <Select
                    key={header}
                    label={`「${header}」の列`}
                    value={value === undefined ? '' : value === '' ? '-' : value}
                    empty="選んでいません（取り込みません）"
                    onChange={(code) => setMapping(withColumn(mapping, header, code))}
                    options={[
                      { code: '-', label: '取り込まない' },
                      ...columns
                        .filter((column) => !column.output_only)
                        .map((column) => ({ code: column.id, label: column.label })),
                    ]}
                  />
                );
              })}
            </div>
          </>
        )}
        {options.map(([id, names]) => {
          const column = columns.find((one) => one.id === id);
          return (
            <div key={id} className="stack">
              <p>「{column?.label ?? id}」に、選択肢にない名前があります。</p>
              <div className="exchange__mapping">
                {names.map((word) => (
                  <Select
                    key={word}
                    label={`「${word}」`}
                    value={mapping.options[id]?.[word] ?? ''}
                    onChange={(code) => setMapping(withOption(mapping, id, word, code))}
                    options={column?.options ?? []}
                  />
                ))}
              </div>
            </div>
          );
        })}
        <div className="row">
          <Button variant="primary" busy={busy} onClick={() => void check()}>
            この対応で確認し直す
          </Button>
        </div>
        {kept.data?.may_edit && (
          <form
            className="exchange__keep"
            onSubmit={(event) => {
              event.preventDefault();
              if (name.trim() === '') setProblem('残すときの名前を入力してください。');
              else void keep();
            }}
          >
            <TextInput
              label="この対応を残すときの名前"
              support="例：国のツール 令和8年度版。同じ名前のものは置き換えます。"
              value={name}
              onChange={setName}
              maxLength={60}
            />
            <Button type="submit" busy={busy}>
              対応を残す
            </Button>
          </form>
        )}
      </div>
    </Card>
  );
}
