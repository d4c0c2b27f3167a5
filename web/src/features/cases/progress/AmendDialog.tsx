import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../../api/client';
import { problemText } from '../../../i18n/problems';
import {
  Button,
  Checkbox,
  Dialog,
  ErrorSummary,
  Notice,
  TextArea,
  TextInput,
  useToast,
  type SummaryItem,
} from '../../../ui';
import { caseKeys, type CaseDetail, type ProgressRecord } from '../api';
import { AttachmentField } from './Attachments';
import type { Attachment, Desk } from './entry';
import { shownText } from './shown';

/** 訂正: text and attachments; what stood there before stays readable. */
export function AmendDialog({
  detail,
  record,
  onClose,
}: {
  detail: CaseDetail;
  record: ProgressRecord;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const toast = useToast();
  const before = shownText(record).content ?? '';
  const [content, setContent] = useState(before);
  const [reason, setReason] = useState('');
  const [added, setAdded] = useState<Attachment[]>([]);
  const [removed, setRemoved] = useState<ReadonlySet<string>>(new Set());
  const [sending, setSending] = useState(0);
  const [errors, setErrors] = useState<SummaryItem[]>([]);
  const [attempt, setAttempt] = useState(0);
  const desk = useQuery({
    queryKey: ['progress-entry', detail.id],
    queryFn: ({ signal }) => api.get<Desk>(`cases/${detail.id}/progress-entry`, undefined, signal),
    staleTime: Infinity,
  });
  const changed = content.trim() !== before.trim();
  const save = useMutation({
    mutationFn: () =>
      api.post(`cases/${detail.id}/progress-records/${record.id}/amendments`, {
        ...(changed ? { content: content.trim() } : {}),
        reason: reason.trim(),
        attachments: added.map((one) => one.id),
        remove_attachments: [...removed],
      }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: caseKeys.detail(detail.id) });
      toast('訂正しました。前の内容も残っています。');
      onClose();
    },
  });
  const submit = (): void => {
    const found: SummaryItem[] = [];
    if (content.trim() === '')
      found.push({ target: 'amend-content', message: '訂正後の内容を入力してください。' });
    else if (!changed && added.length + removed.size === 0)
      found.push({ target: 'amend-content', message: '内容が変わっていません。' });
    if (reason.trim() === '')
      found.push({ target: 'amend-reason', message: '訂正の理由を入力してください。' });
    if (sending > 0)
      found.push({ target: 'amend-files', message: '添付の送信が終わってから確定してください。' });
    setErrors(found);
    setAttempt((count) => count + 1);
    if (found.length === 0 && !save.isPending) save.mutate();
  };
  const errorAt = (target: string): string | undefined =>
    errors.find((entry) => entry.target === target)?.message;
  return (
    <Dialog
      title="記録を訂正する"
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" busy={save.isPending} onClick={submit}>
            訂正を確定する
          </Button>
        </>
      }
    >
      <div className="stack">
        <ErrorSummary items={errors} attempt={attempt} />
        {save.isError && (
          <Notice tone="error" live title="訂正できませんでした">
            {problemText(save.error)}
          </Notice>
        )}
        <TextArea
          id="amend-content"
          label="訂正後の内容"
          required
          rows={6}
          value={content}
          onChange={setContent}
          error={errorAt('amend-content')}
        />
        {(record.attachments ?? [])
          .filter((one) => one.may_remove)
          .map((one) => (
            <Checkbox
              key={one.id}
              label={`添付「${one.name}」を消す（名前だけが訂正の記録に残ります）`}
              checked={removed.has(one.id)}
              onChange={(on) =>
                setRemoved((old) => {
                  const next = new Set(old);
                  if (on) next.add(one.id);
                  else next.delete(one.id);
                  return next;
                })
              }
            />
          ))}
        <AttachmentField
          id="amend-files"
          caseId={detail.id}
          desk={desk.data}
          attachments={added}
          error={errorAt('amend-files')}
          onAdd={(one) => setAdded((old) => [...old, one])}
          onRemove={(id) => setAdded((old) => old.filter((one) => one.id !== id))}
          onBusy={setSending}
        />
        <TextInput
          id="amend-reason"
          label="訂正の理由"
          required
          value={reason}
          onChange={setReason}
          error={errorAt('amend-reason')}
        />
      </div>
    </Dialog>
  );
}
