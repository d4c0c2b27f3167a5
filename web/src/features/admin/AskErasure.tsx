import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../app/session';
import {
  Button,
  CheckboxGroup,
  FormDialog,
  Notice,
  RadioGroup,
  Select,
  TextArea,
  TextInput,
} from '../../ui';
import type { CaseDetail, CaseSummary } from '../cases/api';
import { sheetName } from '../cases/sheets';
import { sectionLabel } from '../cases/vocabulary';
import { erasableParts } from './erasable';

const SCOPES = [
  { code: 'past', label: '過去の文だけ（いまの内容は残す）' },
  { code: 'document', label: '記録 1 件（いまの内容も消す）' },
  { code: 'case', label: '事案全体' },
];
const GROUNDS = [
  { code: 'mistaken_entry', label: '誤入力' },
  { code: 'correction', label: '訂正・利用停止の請求' },
  { code: 'retention_expired', label: '保存期限の満了（終結した事案全体）' },
];

/** Refusals in the words of this form. */
const WORDS = {
  conflict: '同じ対象の申請が、すでに承認待ちか実行中です。一覧を確かめてください。',
};

function toggled(set: ReadonlySet<string>, code: string, checked: boolean): ReadonlySet<string> {
  const next = new Set(set);
  if (checked) next.add(code);
  else next.delete(code);
  return next;
}

/** Asks for an erasure: which case, what of it, on which ground, why. */
export function AskErasure({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const { session } = useSession();
  const [number, setNumber] = useState('');
  const [found, setFound] = useState<CaseSummary | null>(null);
  const [missing, setMissing] = useState(false);
  const [scope, setScope] = useState('past');
  const [ground, setGround] = useState('mistaken_entry');
  const [document, setDocument] = useState('');
  /** `kind:id` of what goes along. */
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [reason, setReason] = useState('');

  const look = async (): Promise<void> => {
    const wanted = number.normalize('NFKC').trim();
    const answer = await api.post<{ items: CaseSummary[] }>('cases/search', { q: wanted });
    const hit = answer.items.find((item) => item.case_no === wanted) ?? null;
    setFound(hit);
    setMissing(hit === null);
    setDocument('');
    setChosen(new Set());
  };
  const id = found?.id ?? '';
  const detail = useQuery({
    queryKey: ['case', id],
    queryFn: ({ signal }) => api.get<CaseDetail>(`cases/${id}`, undefined, signal),
    enabled: id !== '',
  });
  const along = useQuery({
    queryKey: ['case', id, 'erasable'],
    queryFn: ({ signal }) => erasableParts(id, session.municipality.zone, signal),
    enabled: id !== '' && scope !== 'case',
  });
  const sheets = (detail.data?.sections ?? []).flatMap(({ section, sheets, document_id }) =>
    sheets.length > 0
      ? sheets.map((sheet) => ({
          code: sheet.document_id,
          label: sheetName(section, sheet.number),
        }))
      : document_id
        ? [{ code: document_id, label: sectionLabel(section) }]
        : [],
  );

  return (
    <FormDialog
      title="消去を申請する"
      submitLabel="申請する"
      width="l"
      onClose={onClose}
      words={WORDS}
      labels={{
        reason: { id: 'erasure-reason', label: '理由' },
        document: { id: 'erasure-document', label: '記録' },
        ground: { id: 'erasure-ground', label: '根拠' },
        retention: { id: 'erasure-ground', label: '根拠' },
        objects: { id: 'erasure-document', label: 'あわせて消すもの' },
      }}
      check={() => [
        ...(found
          ? []
          : [{ target: 'erasure-case', message: '事案番号を入力して「探す」を押してください。' }]),
        ...(found && scope !== 'case' && document === ''
          ? [{ target: 'erasure-document', message: '消す記録を選んでください。' }]
          : []),
        ...(ground === 'retention_expired' && scope !== 'case'
          ? [
              {
                target: 'erasure-ground',
                message: '保存期限の満了を根拠にできるのは、事案全体の消去だけです。',
              },
            ]
          : []),
        ...(reason.trim() === ''
          ? [{ target: 'erasure-reason', message: '理由を入力してください。' }]
          : []),
      ]}
      save={async () => {
        await api.post('erasures', {
          scope,
          ground,
          ...(scope === 'case' ? { case_id: id } : { document_id: document }),
          objects:
            scope === 'case'
              ? []
              : [...chosen].map((one) => {
                  const at = one.indexOf(':');
                  return { kind: one.slice(0, at), id: one.slice(at + 1) };
                }),
          reason: reason.trim(),
        });
        onDone();
      }}
    >
      {(errorAt) => (
        <>
          <div className="row row--foot">
            <TextInput
              id="erasure-case"
              label="事案番号"
              support="例：2026-0147"
              required
              autoFocus
              value={number}
              onChange={(value) => {
                setNumber(value);
                setFound(null);
                setMissing(false);
              }}
              error={
                errorAt('erasure-case') ??
                (missing ? 'この番号の事案は見つかりません。番号を確かめてください。' : undefined)
              }
            />
            <Button icon="search" onClick={() => void look()}>
              探す
            </Button>
          </div>
          {found && (
            <Notice tone="info" title={`事案 ${found.case_no}`}>
              {[found.clients.map(({ display }) => `${display}さん`).join('・'), found.title]
                .filter(Boolean)
                .join('　')}
            </Notice>
          )}
          <RadioGroup
            label="消す範囲"
            required
            options={SCOPES}
            value={scope}
            onChange={setScope}
          />
          {found && scope !== 'case' && (
            <Select
              id="erasure-document"
              label="記録"
              required
              options={sheets}
              value={document}
              onChange={setDocument}
              error={errorAt('erasure-document')}
            />
          )}
          {along.data?.map((part) => (
            <CheckboxGroup
              key={part.kind}
              label={part.label}
              options={part.options.map(({ id: of, label }) => ({
                code: `${part.kind}:${of}`,
                label,
              }))}
              values={chosen}
              onToggle={(code, checked) => setChosen(toggled(chosen, code, checked))}
            />
          ))}
          <RadioGroup
            id="erasure-ground"
            label="根拠"
            required
            options={GROUNDS}
            value={ground}
            onChange={setGround}
            error={errorAt('erasure-ground')}
          />
          {scope === 'past' && ground === 'mistaken_entry' && (
            <p className="soft">
              誤入力を根拠に過去の文だけを消すときは、確定した版は残ります。確定した版からも消すときは「訂正・利用停止の請求」を選びます。
            </p>
          )}
          <TextArea
            id="erasure-reason"
            label="理由"
            support="承認する人だけが読みます。消去が終わると、この理由も消えます。"
            required
            rows={3}
            value={reason}
            onChange={setReason}
            error={errorAt('erasure-reason')}
          />
        </>
      )}
    </FormDialog>
  );
}
