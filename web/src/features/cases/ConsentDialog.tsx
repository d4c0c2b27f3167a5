import { useId, useState, type ReactNode } from 'react';
import { useSession } from '../../app/session';
import { ApiError } from '../../api/client';
import { problemText } from '../../i18n/problems';
import {
  Button,
  DateInput,
  Dialog,
  ErrorSummary,
  Notice,
  TextArea,
  TextInput,
  UnreadContext,
  Unverified,
  useUnread,
  type SummaryItem,
} from '../../ui';
import { confirmationErrors, type Confirmation, type ConfirmationAsked } from './disclosure';
import { localDate } from './dates';
import { ConsentChip } from './parts';
import { covers, sectionLabel } from './vocabulary';

/** Parts of the confirmation that the server may refuse, and their controls. */
const TARGETS: Readonly<Record<string, string>> = {
  'confirmation.basis': 'basis',
  'confirmation.reason': 'basis-reason',
  'confirmation.meeting': 'basis-meeting',
  'confirmation.until': 'basis-until',
};

const REFUSED: Readonly<Record<string, string>> = {
  unknown_basis: 'この根拠は選べません。ほかの根拠を選んでください。',
  level_too_high:
    'この根拠では、この範囲まで開示できません。範囲を狭めるか、ほかの根拠を選んでください。',
  reason_missing: '理由を書いてください。だれが・何のために必要かが分かるように書きます。',
  meeting_missing: '会議名と回を入力してください。',
  period_invalid: '終わる日は、今日以後の日付にしてください。',
};

/**
 * 「同意を確認できていない方の情報が渡ります」. The first focus and Esc are やめる; nothing is chosen
 * beforehand; without basis and reason nothing is sent, and the missing part is said in words.
 */
export function ConsentDialog({
  asked,
  what,
  note,
  onCancel,
  onConfirm,
}: {
  asked: ConfirmationAsked;
  what: string;
  /** What changed since the question was asked. */
  note?: ReactNode;
  onCancel: () => void;
  onConfirm: (confirmation: Confirmation) => Promise<void>;
}) {
  const { session } = useSession();
  const name = useId();
  const [confirmation, setConfirmation] = useState<Confirmation>({ basis: '', reason: '' });
  const [items, setItems] = useState<SummaryItem[]>([]);
  const [attempt, setAttempt] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const unread = useUnread();
  const { bases } = asked;
  const chosen = bases.find((entry) => entry.id === confirmation.basis);
  const agencies = asked.agencies.map((agency) => agency.name ?? agency.id);
  const open = asked.persons.filter((person) => !covers(person.status));

  const submit = async (): Promise<void> => {
    const errors = confirmationErrors(confirmation, chosen?.meeting_bound ?? false);
    const found: SummaryItem[] = [
      ...(errors.basis ? [{ target: 'basis', message: errors.basis }] : []),
      ...(errors.meeting ? [{ target: 'basis-meeting', message: errors.meeting }] : []),
      ...(errors.until ? [{ target: 'basis-until', message: errors.until }] : []),
      ...(errors.reason ? [{ target: 'basis-reason', message: errors.reason }] : []),
    ];
    setItems(found);
    setProblem(null);
    setAttempt((count) => count + 1);
    if (found.length > 0 || unread.problems().length > 0 || busy) return;
    setBusy(true);
    try {
      await onConfirm({
        basis: confirmation.basis,
        reason: confirmation.reason.trim(),
        ...(chosen?.meeting_bound
          ? { meeting: (confirmation.meeting ?? '').trim(), until: confirmation.until ?? '' }
          : {}),
      });
    } catch (error) {
      const refused = error instanceof ApiError ? error.fields : [];
      const named = refused.flatMap((field) => {
        const target = TARGETS[field.path];
        return target
          ? [{ target, message: REFUSED[field.code] ?? '内容を確かめてください。' }]
          : [];
      });
      setItems(named);
      if (named.length === 0) setProblem(problemText(error));
      setAttempt((count) => count + 1);
      setBusy(false);
    }
  };
  const errorAt = (target: string): string | undefined =>
    items.find((item) => item.target === target)?.message;
  return (
    <Dialog
      title="同意を確認できていない方の情報が渡ります"
      isOpen
      onClose={onCancel}
      role="alertdialog"
      width="l"
      footer={
        <>
          <span className="soft">この操作は記録され、管理者が確認できます。</span>
          <Button busy={busy} onClick={() => void submit()}>
            この根拠で共有する
          </Button>
          <Button variant="primary" autoFocus onClick={onCancel}>
            やめる
          </Button>
        </>
      }
    >
      <UnreadContext value={unread}>
        <div className="stack">
          <ErrorSummary items={items} attempt={attempt} />
          {problem && (
            <Notice tone="error" live title="共有できませんでした">
              {problem}
            </Notice>
          )}
          {note && (
            <Notice tone="warning" live>
              {note}
            </Notice>
          )}
          <table className="confirm-table">
            <tbody>
              <tr>
                <th scope="row">しようとしたこと</th>
                <td>{what}</td>
              </tr>
              {agencies.length > 0 && (
                <tr>
                  <th scope="row">渡る先・記録</th>
                  <td>
                    {agencies.join('、')}
                    {asked.sections &&
                      asked.sections.length > 0 &&
                      `　「${asked.sections.map(sectionLabel).join('」「')}」`}
                  </td>
                </tr>
              )}
              <tr>
                <th scope="row">同意の状況</th>
                <td>
                  <span className="chips">
                    {asked.persons.map((person) => (
                      <span key={person.person_id} className="chips__one">
                        {person.display}さん <ConsentChip status={person.status} />
                      </span>
                    ))}
                  </span>
                </td>
              </tr>
            </tbody>
          </table>
          {bases.length === 0 ? (
            <Notice tone="warning" title="選べる根拠がありません">
              {open.map((person) => `${person.display}さん`).join('、')}
              の同意を得るか、マスク済みで開示してください。
            </Notice>
          ) : (
            <fieldset id="basis" className={errorAt('basis') ? 'field field--error' : 'field'}>
              <legend className="field__legend">
                共有の根拠 <span className="field__required">※必須</span>
              </legend>
              {bases.map((entry) => (
                <label key={entry.id} className="basis">
                  <input
                    type="radio"
                    name={name}
                    checked={confirmation.basis === entry.id}
                    onChange={() => setConfirmation((old) => ({ ...old, basis: entry.id }))}
                  />
                  <span>
                    <b>
                      {entry.name}{' '}
                      {!entry.verified && (
                        <Unverified title="法令・通知の本文との照合が済んでいない説明です。" />
                      )}
                    </b>
                    {entry.note && <span className="soft">{entry.note}</span>}
                  </span>
                </label>
              ))}
              {errorAt('basis') && <p className="field__error">{errorAt('basis')}</p>}
            </fieldset>
          )}
          {chosen?.meeting_bound && (
            <div className="two">
              <TextInput
                id="basis-meeting"
                label="会議名・回"
                required
                value={confirmation.meeting ?? ''}
                onChange={(meeting) => setConfirmation((old) => ({ ...old, meeting }))}
                error={errorAt('basis-meeting')}
              />
              <DateInput
                id="basis-until"
                label="共有が終わる日"
                required
                support={`会議の外では使えません（${session.municipality.name}の定めに従います）`}
                value={confirmation.until ?? ''}
                onChange={(until) => setConfirmation((old) => ({ ...old, until }))}
                error={errorAt('basis-until')}
                yearless={{ today: localDate(new Date(), session.municipality.zone), ahead: true }}
              />
            </div>
          )}
          <TextArea
            id="basis-reason"
            label="理由"
            required
            rows={3}
            support="だれが・何のために必要か"
            value={confirmation.reason}
            onChange={(reason) => setConfirmation((old) => ({ ...old, reason }))}
            error={errorAt('basis-reason')}
          />
        </div>
      </UnreadContext>
    </Dialog>
  );
}
