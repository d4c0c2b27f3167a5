import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { Button, Dialog, FormDialog, Notice, RadioGroup, TextArea, useToast } from '../../ui';
import { ageText } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { consent, flag, KINSHIPS } from '../cases/vocabulary';
import { choiceOf, mergeBody, rows, type Preview } from './merge';
import './register.css';

/** 「2つの登録を見比べる」: side by side, what stays current, and why they are one person. */
export function MergeDialog({
  kept,
  other,
  onDone,
  onClose,
}: {
  kept: string;
  other: string;
  onDone: (kept: string) => void;
  onClose: () => void;
}) {
  const [swapped, setSwapped] = useState(false);
  const [id, merged] = swapped ? [other, kept] : [kept, other];
  const query = useQuery({
    queryKey: ['person', id, 'merge', merged],
    queryFn: ({ signal }) =>
      api.get<Preview>(`persons/${id}/merge-preview/${merged}`, undefined, signal),
    // What is being compared must not change under the hands.
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    retry: false,
    staleTime: 0,
    gcTime: 0,
  });
  if (query.data)
    return (
      <MergeForm
        key={`${id}-${query.data.kept.version}-${query.data.merged.version}`}
        preview={query.data}
        onSwap={() => setSwapped(!swapped)}
        onDone={onDone}
        onClose={onClose}
      />
    );
  return (
    <Dialog
      title="2つの登録を見比べる"
      isOpen
      onClose={onClose}
      footer={
        <Button variant="primary" onClick={onClose}>
          閉じる
        </Button>
      }
    >
      <QueryState query={query} what="台帳" />
    </Dialog>
  );
}

function MergeForm({
  preview,
  onSwap,
  onDone,
  onClose,
}: {
  preview: Preview;
  onSwap: () => void;
  onDone: (kept: string) => void;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const toast = useToast();
  const [choices, setChoices] = useState<Readonly<Record<string, string>>>({});
  const [reason, setReason] = useState('');
  const { kept, merged } = preview;
  const shown = rows(preview);
  const differing = shown.filter((row) => row.differs);
  const rest = shown.filter((row) => !row.differs);
  return (
    <FormDialog
      title="2つの登録を1人にまとめる"
      submitLabel="1人にまとめる"
      width="l"
      labels={{ reason: { id: 'merge-reason', label: '同じ人と判断した理由' } }}
      words={{
        conflict:
          'どちらかの登録が、見比べている間に変更されました。閉じて開き直し、最新の内容で見比べてください。',
        not_found: 'どちらかの登録が見つかりません。すでに統合されたか、見る権限がなくなりました。',
      }}
      check={() =>
        reason.trim() === ''
          ? [{ target: 'merge-reason', message: '同じ人と判断した理由を書いてください。' }]
          : []
      }
      save={async () => {
        await api.post<Schema<'MergeDone'>>(
          `persons/${kept.id}/merges`,
          mergeBody(preview, choices, reason),
        );
        for (const queryKey of [['person'], ['persons'], ['case'], ['cases']])
          void client.invalidateQueries({ queryKey });
        toast('1人にまとめました。まちがいのときは、台帳の「統合の履歴」から元に戻せます。');
        onDone(kept.id);
      }}
      onClose={onClose}
    >
      {(errorAt) => (
        <>
          <div className="merge-heads">
            <Head title="残す登録" person={kept} cases={preview.kept_cases} />
            <Head title="まとめる登録" person={merged} cases={preview.merged_cases} />
          </div>
          <div>
            <Button size="s" onClick={onSwap}>
              残す登録を入れ替える
            </Button>
          </div>
          {differing.length > 0 && (
            <section className="stack" aria-labelledby="merge-differences">
              <h3 id="merge-differences">違っている内容</h3>
              <p className="soft">
                いまの内容にするほうを選びます。選ばないほうは、過去の内容として残ります。
              </p>
              {differing.map((row) => (
                <RadioGroup
                  key={row.field}
                  label={row.label}
                  columns
                  options={[
                    { code: 'kept', label: row.kept, support: '残す登録' },
                    { code: 'merged', label: row.merged, support: 'まとめる登録' },
                    ...(row.field === 'contact_caution'
                      ? [{ code: 'both', label: '両方とも残す' }]
                      : []),
                  ]}
                  value={choiceOf(row.field, choices)}
                  onChange={(choice) => setChoices((old) => ({ ...old, [row.field]: choice }))}
                />
              ))}
            </section>
          )}
          <details>
            <summary>同じ内容と、片方だけにある内容（{rest.length}項目）</summary>
            <dl className="facts">
              {rest.map((row) => (
                <div key={row.field}>
                  <dt>{row.label}</dt>
                  <dd>{row.kept === 'なし' ? row.merged : row.kept}</dd>
                </div>
              ))}
            </dl>
          </details>
          <Consequences preview={preview} />
          <TextArea
            id="merge-reason"
            label="同じ人と判断した理由"
            required
            rows={2}
            support="例：本人に生年月日と旧姓を確認した。"
            value={reason}
            onChange={setReason}
            error={errorAt('merge-reason')}
          />
        </>
      )}
    </FormDialog>
  );
}

function Head({
  title,
  person,
  cases,
}: {
  title: string;
  person: Preview['kept'];
  cases: readonly Schema<'PersonCase'>[];
}) {
  return (
    <section className="merge-head" aria-label={title}>
      <p className="soft">{title}</p>
      <p>
        <strong>{person.display}</strong>さん
        {person.kana && <span className="soft">（{person.kana}）</span>}
      </p>
      <p className="soft">{ageText(person)}</p>
      <p className="soft">
        {cases.length > 0
          ? `事案 ${cases.map((item) => item.case_no).join('、')}`
          : '見られる事案はありません'}
      </p>
    </section>
  );
}

/** What becomes stricter or falls together, told before it happens. */
function Consequences({ preview }: { preview: Preview }) {
  const flags = new Set(
    [...preview.kept.flags, ...preview.merged.flags].map((entry) => entry.flag),
  );
  return (
    <Notice tone="info" title="まとめると、こうなります">
      <ul>
        <li>
          両方の事案・同意・記録は、残す登録の方のものになります。関わる機関には、まとめた台帳の内容が開示の設定に従って見えます。
        </li>
        {flags.size > 0 && (
          <li>
            注意は両方を引き継ぎます（{[...flags].map((code) => flag(code).label).join('、')}）。
          </li>
        )}
        {preview.address_confidential && (
          <li>
            住所秘匿になります。住所・連絡先を見られるのは、これまで両方を見られた機関だけです（
            {preview.address_allow.length}機関）。
          </li>
        )}
        {preview.exclusions && (
          <li>
            一方の方について見せないことにしている機関や職員には、まとめた方について見せません。
          </li>
        )}
        {preview.shared.map((item) => (
          <li key={item.id}>
            事案{item.case_no}には両方の方がいます。立場は「
            {KINSHIPS[item.role] ?? item.role}」になります
            {item.kept_role !== item.merged_role &&
              `（いまは「${KINSHIPS[item.kept_role] ?? item.kept_role}」と「${KINSHIPS[item.merged_role] ?? item.merged_role}」）`}
            。{item.consent && `同意は、狭いほうの「${consent(item.consent).long}」になります。`}
          </li>
        ))}
        <li>
          元に戻すことができます。戻すと、まとめた後に直した内容は、残した登録のほうに残ります。
        </li>
      </ul>
    </Notice>
  );
}
