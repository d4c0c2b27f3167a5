import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../../api/client';
import { problemText } from '../../../i18n/problems';
import {
  Button,
  DateInput,
  Dialog,
  ErrorSummary,
  Notice,
  Select,
  TextArea,
  TextInput,
  UnreadContext,
  useToast,
  useUnread,
  type SummaryItem,
} from '../../../ui';
import { personName, type CaseDetail } from '../api';
import { CONSENT_CODES, CONSENT_METHODS, consent, sectionLabel } from '../vocabulary';
import { PassedOn } from './PassedOn';

/** Records one consent, or its withdrawal. */
export function ConsentEditor({
  detail,
  person,
  withdraw,
  today,
  onClose,
}: {
  detail: CaseDetail;
  person: string;
  withdraw: boolean;
  today: string;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const toast = useToast();
  const [status, setStatus] = useState(withdraw ? 'withdrawn' : '');
  const [day, setDay] = useState(today);
  const [method, setMethod] = useState('');
  const [expires, setExpires] = useState('');
  const [purpose, setPurpose] = useState('');
  const [policy, setPolicy] = useState('');
  const [proxy, setProxy] = useState('');
  const [note, setNote] = useState('');
  const [agencies, setAgencies] = useState<ReadonlySet<string>>(new Set());
  const [sections, setSections] = useState<ReadonlySet<string>>(new Set());
  const [errors, setErrors] = useState<SummaryItem[]>([]);
  const [attempt, setAttempt] = useState(0);
  const unread = useUnread();
  const who = detail.persons.find((entry) => entry.person_id === person);
  const given = ['full', 'limited', 'verbal'].includes(status);
  const save = useMutation({
    mutationFn: () =>
      api.post(`cases/${detail.id}/consents`, {
        person_id: person,
        status,
        ...(withdraw ? { withdrawn_on: day } : given ? { obtained_on: day } : {}),
        ...(given && method ? { method } : {}),
        ...(given && expires ? { expires_on: expires } : {}),
        ...(given && policy.trim() ? { policy_version: policy.trim() } : {}),
        ...(given && purpose.trim() ? { purpose: purpose.trim() } : {}),
        ...(given && proxy.trim() ? { proxy: proxy.trim() } : {}),
        ...(note.trim() ? { note: note.trim() } : {}),
        ...(status === 'limited' && agencies.size > 0 ? { allowed_agencies: [...agencies] } : {}),
        ...(status === 'limited' && sections.size > 0 ? { allowed_sections: [...sections] } : {}),
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['case', detail.id] });
      void client.invalidateQueries({ queryKey: ['cases'] });
      toast(withdraw ? '撤回を記録しました。以後の閲覧を止めます。' : '同意を記録しました。');
      onClose();
    },
  });
  const submit = (): void => {
    const found: SummaryItem[] = [];
    if (status === '')
      found.push({ target: 'consent-status', message: '同意の区分を選んでください。' });
    if ((given || withdraw) && day === '')
      found.push({ target: 'consent-day', message: '日付を入力してください。' });
    if ((status === 'full' || status === 'limited') && method === '')
      found.push({ target: 'consent-method', message: '確認の方法を選んでください。' });
    if (status === 'limited' && agencies.size === 0 && sections.size === 0)
      found.push({
        target: 'consent-agencies',
        message: '限定の範囲（機関か記録）を1つ以上選んでください。',
      });
    setErrors(found);
    setAttempt((count) => count + 1);
    if (found.length === 0 && unread.problems().length === 0 && !save.isPending) save.mutate();
  };
  const errorAt = (target: string): string | undefined =>
    errors.find((entry) => entry.target === target)?.message;
  const toggle = (set: ReadonlySet<string>, code: string): Set<string> => {
    const next = new Set(set);
    if (!next.delete(code)) next.add(code);
    return next;
  };
  return (
    <Dialog
      title={
        withdraw
          ? `${who ? personName(who) : ''}さんの同意の撤回`
          : `${who ? personName(who) : ''}さんの同意を記録する`
      }
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant={withdraw ? 'danger' : 'primary'} busy={save.isPending} onClick={submit}>
            {withdraw ? '撤回を記録する' : '記録する'}
          </Button>
        </>
      }
    >
      <UnreadContext value={unread}>
        <div className="stack">
          <ErrorSummary items={errors} attempt={attempt} />
          {save.isError && (
            <Notice tone="error" live title="記録できませんでした">
              {problemText(save.error)}
            </Notice>
          )}
          {withdraw ? (
            <Notice tone="warning">
              撤回を記録すると、同意だけを根拠に見ていた機関の閲覧が止まります。すでに渡った範囲は、下のとおりです。
            </Notice>
          ) : (
            <Select
              id="consent-status"
              label="同意の区分"
              required
              value={status}
              options={CONSENT_CODES.map((code) => ({ code, label: consent(code).long }))}
              onChange={setStatus}
              error={errorAt('consent-status')}
            />
          )}
          {withdraw && <PassedOn caseId={detail.id} />}
          {(given || withdraw) && (
            <div className="two">
              <DateInput
                id="consent-day"
                label={withdraw ? '撤回の日' : '同意を得た日'}
                required
                value={day}
                onChange={setDay}
                error={errorAt('consent-day')}
                limits={{ notAfter: today }}
                yearless={{ today }}
              />
              {!withdraw && (
                <Select
                  id="consent-method"
                  label="確認の方法"
                  required={status !== 'verbal'}
                  value={method}
                  options={Object.entries(CONSENT_METHODS).map(([code, label]) => ({
                    code,
                    label,
                  }))}
                  onChange={setMethod}
                  error={errorAt('consent-method')}
                />
              )}
              {!withdraw && (
                <DateInput
                  label="有効期限・再確認日"
                  value={expires}
                  onChange={setExpires}
                  yearless={{ today, ahead: true }}
                />
              )}
            </div>
          )}
          {given && (
            <div className="two">
              <TextInput
                label="説明に使った規程・説明書の版"
                support="例：個人情報共有の説明書 令和8年4月版"
                value={policy}
                onChange={setPolicy}
              />
              <TextInput
                label="代理人・立会人"
                support="本人のほかに同意した人や、立ち会った人がいるとき"
                value={proxy}
                onChange={setProxy}
              />
              <TextArea label="利用目的" rows={2} value={purpose} onChange={setPurpose} />
            </div>
          )}
          {(given || withdraw) && (
            <TextArea
              label={withdraw ? '撤回の理由・経緯' : '補足'}
              rows={2}
              value={note}
              onChange={setNote}
            />
          )}
          {status === 'limited' && (
            <div className="two">
              <fieldset id="consent-agencies" className="field">
                <legend className="field__legend">共有してよい機関</legend>
                {detail.members.map((member) => (
                  <label key={member.agency.id} className="choice">
                    <input
                      type="checkbox"
                      checked={agencies.has(member.agency.id)}
                      onChange={() => setAgencies(toggle(agencies, member.agency.id))}
                    />
                    <span>{member.agency.name}</span>
                  </label>
                ))}
                {errorAt('consent-agencies') && (
                  <p className="field__error">{errorAt('consent-agencies')}</p>
                )}
              </fieldset>
              <fieldset className="field">
                <legend className="field__legend">共有してよい記録</legend>
                {detail.sections.map((section) => (
                  <label key={section.section} className="choice">
                    <input
                      type="checkbox"
                      checked={sections.has(section.section)}
                      onChange={() => setSections(toggle(sections, section.section))}
                    />
                    <span>{sectionLabel(section.section)}</span>
                  </label>
                ))}
              </fieldset>
            </div>
          )}
        </div>
      </UnreadContext>
    </Dialog>
  );
}
