import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { Link } from 'wouter';
import type * as Y from 'yjs';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { valueText } from '../../forms/value-text';
import { fieldAt, type Field, type FormDefinition } from '../../forms/definition';
import { problemText } from '../../i18n/problems';
import type { DocumentConnection } from '../../sync/connection';
import { useDocument } from '../../sync/hooks';
import { Button, Dialog, Notice, RadioGroup, Select, Tag, useToast } from '../../ui';
import type { CaseDetail } from '../cases/api';
import { useForm } from '../cases/fieldNames';
import { sectionLabel } from '../cases/vocabulary';
import { remember, takeBack, type Written } from './acceptances';
import {
  confidence,
  CONFIDENCE_LABELS,
  fieldOrder,
  formatLabel,
  isFilled,
  numberEvidence,
  pieces,
  planAll,
  ROLES,
  roleLabel,
  target,
  timecode,
  type FieldState,
  type Place,
  type Transcript,
} from './draft';
import { readValue } from './values';

type Mode = 'fill_empty' | 'replace' | 'append';

const FORMS: Readonly<Record<string, string>> = {
  intake: 'intake_application',
  assessment: 'intake_assessment',
};

export function DraftBoard({ transcript, detail }: { transcript: Transcript; detail: CaseDetail }) {
  const client = useQueryClient();
  const toast = useToast();
  const { can } = useSession();
  const documentOf = (section: string): string | null =>
    detail.sections.find((entry) => entry.section === section)?.document_id ?? null;
  const intake = useDocument(documentOf('intake'));
  const assessment = useDocument(documentOf('assessment'));
  const intakeForm = useForm(FORMS['intake']).data;
  const assessmentForm = useForm(FORMS['assessment']).data;
  const connections: Readonly<Record<string, DocumentConnection | null>> = {
    intake: intake.live.kind === 'live' ? intake.live.connection : null,
    assessment: assessment.live.kind === 'live' ? assessment.live.connection : null,
  };
  useDocumentVersion(connections['intake']?.doc ?? null);
  useDocumentVersion(connections['assessment']?.doc ?? null);

  const places = useMemo(() => numberEvidence(transcript), [transcript]);
  const order = useMemo(() => fieldOrder(transcript, places), [transcript, places]);
  const [selected, setSelected] = useState<string | null>(null);
  const [sentence, setSentence] = useState<number | null>(null);
  const [skipped, setSkipped] = useState<ReadonlySet<string>>(new Set());
  const [taken, setTaken] = useState<ReadonlySet<string>>(new Set());
  const [back, setBack] = useState<ReadonlySet<string>>(new Set());
  const done = useRef(new Map<string, Written>());
  const [busy, setBusy] = useState<ReadonlySet<string>>(new Set());
  const [problem, setProblem] = useState<string | null>(null);
  const [asking, setAsking] = useState<string | null>(null);
  const [confirmAll, setConfirmAll] = useState(false);
  const [rolesOpen, setRolesOpen] = useState(false);

  const form = (name: string): FormDefinition | undefined =>
    target(name).sheet === 'intake' ? intakeForm : assessmentForm;
  const fieldOf = (name: string): Field | null => {
    const definition = form(name);
    return definition ? fieldAt(definition, target(name).field) : null;
  };
  const existing = (name: string): unknown => {
    const connection = connections[target(name).sheet];
    return connection ? readValue(connection.doc, target(name).field) : null;
  };
  const stateOf = (name: string): FieldState => {
    if (back.has(name)) return 'open';
    if (taken.has(name) || transcript.accepted[name]) return 'accepted';
    return skipped.has(name) ? 'skipped' : 'open';
  };
  const plan = planAll(transcript, stateOf, (name) => isFilled(existing(name)));
  const settled = order.filter((name) => stateOf(name) === 'accepted').length;
  const writable =
    can('edit_case') &&
    detail.sections.some((entry) => entry.section === 'intake' && entry.level === 'edit');

  const accept = async (names: readonly string[], mode: Mode, bulk = false): Promise<void> => {
    setBusy(new Set(names));
    setProblem(null);
    for (const name of names) {
      const connection = connections[target(name).sheet];
      if (connection) done.current.set(name, remember(connection.doc, target(name).field));
    }
    try {
      const answer = await api.post<Schema<'AcceptAnswer'>>(
        `transcripts/${transcript.id}/acceptances`,
        {
          fields: names,
          mode,
        },
      );
      const { results } = answer;
      const written = names.filter((name) => results[name] === 'written');
      const filled = names.filter((name) => results[name] === 'skipped_not_empty');
      const refused = names.filter((name) => !written.includes(name) && !filled.includes(name));
      setTaken((old) => new Set([...old, ...written]));
      setBack((old) => new Set([...old].filter((name) => !written.includes(name))));
      if (bulk)
        toast(`${written.length}項目を受け入れました。`, {
          action: { label: 'まとめて戻す', onPress: () => void undo(written) },
        });
      if (filled.length === 1 && names.length === 1) setAsking(filled[0] ?? null);
      else if (filled.length > 0)
        setProblem(
          `${filled.length}項目は、先にほかの人が書いていたため入れませんでした。1つずつ確かめてください。`,
        );
      if (refused.length > 0)
        setProblem(
          `${refused.map((name) => fieldOf(name)?.label ?? name).join('、')}は、いまの様式に入れられない値のため受け入れませんでした。シートで入力してください。`,
        );
      void client.invalidateQueries({ queryKey: ['transcript', transcript.id] });
    } catch (error) {
      setProblem(problemText(error));
    } finally {
      setBusy(new Set());
    }
  };

  /** Takes accepted values back out of the sheet; leaves alone what somebody has changed since. */
  const undo = async (names: readonly string[]): Promise<void> => {
    setBusy(new Set(names));
    setProblem(null);
    const { restored, kept, failed, error, accepted } = await takeBack(
      transcript.id,
      names,
      (name) => {
        const connection = connections[target(name).sheet];
        const written = done.current.get(name);
        return connection && written ? { doc: connection.doc, written } : null;
      },
    );
    const labels = (some: readonly string[]): string =>
      some.map((name) => fieldOf(name)?.label ?? name).join('、');
    const withdrawn = names.filter(
      (name) => restored.includes(name) || (accepted !== null && !(name in accepted)),
    );
    setTaken((old) => new Set([...old].filter((name) => !withdrawn.includes(name))));
    setBack((old) => new Set([...old, ...restored]));
    if (accepted)
      client.setQueryData(['transcript', transcript.id], (old: Transcript | undefined) =>
        old ? { ...old, accepted } : old,
      );
    setBusy(new Set());
    const problems = [
      ...(failed.length > 0
        ? [`${labels(failed)}を戻せませんでした。シートはそのままです。${problemText(error)}`]
        : []),
      ...(kept.length > 0
        ? [
            `${labels(kept)}は、受け入れたあとに書き換えられたか、まだシートに届いていないため、戻しませんでした。シートを開いて確かめてください。`,
          ]
        : []),
    ];
    if (problems.length > 0) setProblem(problems.join(''));
    if (restored.length > 0) toast(`${restored.length}項目を元に戻しました。`);
    await client.invalidateQueries({ queryKey: ['transcript', transcript.id] });
  };

  const select = (name: string): void => {
    setSelected(name);
    setSentence(null);
    const first = places.find((place) => place.fields.includes(name));
    if (first)
      document
        .getElementById(`place-${first.number}`)
        ?.scrollIntoView({ block: 'center', behavior: 'smooth' });
  };
  const selectSentence = (place: Place): void => {
    setSentence(place.number);
    setSelected(null);
    const first = order.find((name) => place.fields.includes(name));
    if (first)
      document
        .getElementById(`draft-${first}`)
        ?.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  };
  const lit = (name: string): boolean =>
    selected === name ||
    (sentence !== null &&
      places.some((place) => place.number === sentence && place.fields.includes(name)));
  const litPlace = (place: Place): boolean =>
    place.number === sentence || (selected !== null && place.fields.includes(selected));

  const speakers = [...new Set(transcript.utterances.map((utterance) => utterance.speaker))];
  return (
    <div className="transcript">
      <div className="page-head">
        <div>
          <h1 tabIndex={-1}>文字起こしからの下書き</h1>
          <p className="soft">
            <Link href={`/cases/${detail.id}/transcripts`}>事案 {detail.case_no}</Link>
            {`　発言 ${transcript.utterances.length}　形式 `}
            {formatLabel(transcript.format)}
          </p>
        </div>
        <ol className="transcript__way" aria-label="手順">
          <li>1 取り込む</li>
          <li>2 話し手を決める</li>
          <li aria-current="step">3 下書きを確かめる</li>
        </ol>
      </div>
      <div className="stack">
        {transcript.warnings.length > 0 && (
          <Notice tone="warning" title="確かめてください">
            <ul>
              {transcript.warnings.map((warning, index) => (
                <li key={index}>{warning.message_ja}</li>
              ))}
            </ul>
          </Notice>
        )}
        {problem && (
          <Notice tone="error" live>
            {problem}
          </Notice>
        )}
        <div className="transcript__board">
          <section className="card" aria-labelledby="talk-title">
            <div className="card__head">
              <h2 className="card__title" id="talk-title">
                会話
              </h2>
              <span className="row">
                {speakers.map((speaker) => (
                  <Tag
                    key={speaker}
                    small
                    tone={transcript.speakers[speaker] === 'worker' ? 'blue' : 'plain'}
                  >
                    {speaker || '話し手不明'}＝{roleLabel(transcript.speakers[speaker])}
                  </Tag>
                ))}
                <Button size="s" variant="quiet" onClick={() => setRolesOpen(true)}>
                  話し手を直す
                </Button>
              </span>
            </div>
            <div className="transcript__scroll" tabIndex={0} role="region" aria-label="会話の全文">
              {transcript.utterances.map((utterance, index) => (
                <div key={index} className="utterance">
                  <p
                    className={
                      transcript.speakers[utterance.speaker] === 'worker'
                        ? 'utterance__who is-worker'
                        : 'utterance__who'
                    }
                  >
                    {transcript.speakers[utterance.speaker] &&
                    transcript.speakers[utterance.speaker] !== 'unknown'
                      ? roleLabel(transcript.speakers[utterance.speaker])
                      : utterance.speaker || '話し手不明'}
                    <small>{timecode(utterance.start)}</small>
                  </p>
                  <p>
                    {pieces(
                      utterance.text,
                      places.filter((place) => place.utterance === index),
                    ).map((piece) =>
                      piece.places.length === 0 ? (
                        <span key={piece.start}>{piece.text}</span>
                      ) : (
                        <span
                          key={piece.start}
                          className={piece.places.some(litPlace) ? 'evidence is-lit' : 'evidence'}
                        >
                          {piece.begins.map((place) => (
                            <button
                              key={place.number}
                              type="button"
                              id={`place-${place.number}`}
                              className="evidence__number"
                              aria-pressed={litPlace(place)}
                              aria-label={`根拠${place.number}。使われている項目：${place.fields.map((name) => fieldOf(name)?.label ?? name).join('、')}`}
                              onClick={() => selectSentence(place)}
                            >
                              {place.number}
                            </button>
                          ))}
                          {piece.text}
                        </span>
                      ),
                    )}
                  </p>
                </div>
              ))}
            </div>
          </section>
          <section className="card" aria-labelledby="draft-title">
            <div className="card__head">
              <div>
                <h2 className="card__title" id="draft-title">
                  受付・アセスメントの下書き
                </h2>
                <p className="soft">機械がつくった案です。受け入れたものだけがシートに入ります。</p>
              </div>
              <Tag small>
                {settled} / {order.length} 済み
              </Tag>
            </div>
            <ul className="transcript__scroll transcript__drafts" aria-label="下書きの項目">
              {order.length === 0 && (
                <li className="draft">
                  <p>
                    下書きにできる項目は見つかりませんでした。「話し手を直す」で本人と相談員を決めると、見つかることがあります。
                  </p>
                </li>
              )}
              {order.map((name) => {
                const entry = transcript.draft[name];
                if (!entry) return null;
                const state = stateOf(name);
                const now = existing(name);
                const level = confidence(entry.confidence);
                const field = fieldOf(name);
                const label = field?.label ?? name;
                const numbers = places.filter((place) => place.fields.includes(name));
                return (
                  <li
                    key={name}
                    id={`draft-${name}`}
                    className={`draft${lit(name) ? ' is-lit' : ''} is-${state}`}
                  >
                    <div className="draft__head">
                      <h3>
                        <button
                          type="button"
                          className="draft__select"
                          aria-pressed={selected === name}
                          onClick={() => select(name)}
                        >
                          {label}
                        </button>
                        <span className="soft">　{sectionLabel(target(name).sheet)}</span>
                      </h3>
                      <span className={level === 'low' ? 'confidence is-low' : 'confidence'}>
                        確からしさ {CONFIDENCE_LABELS[level].label}
                        <span aria-hidden="true">
                          {[1, 2, 3].map((step) => (
                            <i
                              key={step}
                              className={
                                step <= CONFIDENCE_LABELS[level].steps ? 'is-on' : undefined
                              }
                            />
                          ))}
                        </span>
                      </span>
                    </div>
                    <p className="draft__value">{words(form(name), field, entry.value)}</p>
                    {state !== 'accepted' && isFilled(now) && (
                      <p className="draft__now">
                        <b>いまのシート：</b>
                        {words(form(name), field, now)}
                      </p>
                    )}
                    <div className="draft__foot">
                      {state === 'accepted' ? (
                        <>
                          <Tag tone="green" icon="check" small>
                            受け入れました
                          </Tag>
                          {done.current.has(name) && (
                            <Button
                              size="xs"
                              variant="text"
                              busy={busy.has(name)}
                              aria-label={`${label}を戻す`}
                              onClick={() => void undo([name])}
                            >
                              戻す
                            </Button>
                          )}
                        </>
                      ) : state === 'skipped' ? (
                        <>
                          <span className="soft">使わないことにしました</span>
                          <Button
                            size="xs"
                            variant="text"
                            onClick={() =>
                              setSkipped(new Set([...skipped].filter((other) => other !== name)))
                            }
                          >
                            戻す
                          </Button>
                        </>
                      ) : (
                        writable && (
                          <>
                            <Button
                              size="xs"
                              variant="primary"
                              busy={busy.has(name)}
                              aria-label={`${label}を受け入れる`}
                              onClick={() => {
                                if (isFilled(now)) setAsking(name);
                                else void accept([name], 'fill_empty');
                              }}
                            >
                              受け入れる
                            </Button>
                            <Link
                              className="button button--secondary button--xs"
                              href={`/cases/${detail.id}/${target(name).sheet}#${target(name).field}`}
                              aria-label={`${label}をシートで直す`}
                            >
                              シートで直す
                            </Link>
                            <Button
                              size="xs"
                              variant="quiet"
                              aria-label={`${label}を使わない`}
                              onClick={() => setSkipped(new Set([...skipped, name]))}
                            >
                              使わない
                            </Button>
                          </>
                        )
                      )}
                      <span className="draft__numbers">
                        {numbers.length > 0 && '根拠 '}
                        {numbers.map((place) => (
                          <button
                            key={place.number}
                            type="button"
                            className="evidence__number"
                            aria-label={`根拠${place.number}の発言へ`}
                            onClick={() => select(name)}
                          >
                            {place.number}
                          </button>
                        ))}
                      </span>
                    </div>
                  </li>
                );
              })}
            </ul>
            <div className="transcript__foot">
              <p className="soft">
                {plan.check.length > 0 && <>要確認 {plan.check.length}件は対象外です。</>}
                {plan.filled.length > 0 && <>記入済み {plan.filled.length}件には触れません。</>}
                {!writable && <>この事案のシートを編集する権限がないため、受け入れはできません。</>}
              </p>
              {writable && (
                <Button
                  variant="primary"
                  busy={busy.size > 1}
                  reason={
                    plan.accept.length === 0 ? 'まとめて受け入れられる項目はありません' : undefined
                  }
                  onClick={() => setConfirmAll(true)}
                >
                  すべて受け入れる（{plan.accept.length}）
                </Button>
              )}
            </div>
          </section>
        </div>
      </div>
      {asking && (
        <OverwriteDialog
          label={fieldOf(asking)?.label ?? asking}
          now={words(form(asking), fieldOf(asking), existing(asking))}
          next={words(form(asking), fieldOf(asking), transcript.draft[asking]?.value)}
          appendable={
            fieldOf(asking)?.type === 'textarea' ||
            fieldOf(asking)?.type === 'text' ||
            fieldOf(asking)?.type === 'multiselect' ||
            fieldOf(asking)?.type === 'table'
          }
          onClose={() => setAsking(null)}
          onChoose={(mode) => {
            const name = asking;
            setAsking(null);
            if (mode) void accept([name], mode);
          }}
        />
      )}
      <Dialog
        title="まとめて受け入れる"
        isOpen={confirmAll}
        onClose={() => setConfirmAll(false)}
        width="s"
        footer={
          <>
            <Button variant="quiet" autoFocus onClick={() => setConfirmAll(false)}>
              やめる
            </Button>
            <Button
              variant="primary"
              onClick={() => {
                setConfirmAll(false);
                void accept(plan.accept, 'fill_empty', true);
              }}
            >
              {plan.accept.length}項目を受け入れる
            </Button>
          </>
        }
      >
        <p>
          空欄の <b>{plan.accept.length}項目</b> に下書きを入れます。確からしさの低い{' '}
          {plan.check.length}項目と、すでに書いてある {plan.filled.length}
          項目には触れません。あとで、まとめて戻せます。
        </p>
      </Dialog>
      {rolesOpen && (
        <SpeakerDialog
          transcript={transcript}
          speakers={speakers}
          onClose={() => setRolesOpen(false)}
        />
      )}
    </div>
  );
}

/** Renders again whenever a sheet changes. */
function useDocumentVersion(doc: Y.Doc | null): void {
  const [, bump] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!doc) return;
    doc.on('update', bump);
    return () => doc.off('update', bump);
  }, [doc]);
}

function OverwriteDialog({
  label,
  now,
  next,
  appendable,
  onClose,
  onChoose,
}: {
  label: string;
  now: string;
  next: string;
  appendable: boolean;
  onClose: () => void;
  onChoose: (mode: Mode | null) => void;
}) {
  const [choice, setChoice] = useState('keep');
  return (
    <Dialog
      title={`「${label}」にはすでに記入があります`}
      isOpen
      onClose={onClose}
      width="s"
      footer={
        <>
          <Button variant="quiet" autoFocus onClick={onClose}>
            やめる
          </Button>
          <Button
            variant="primary"
            onClick={() => onChoose(choice === 'replace' || choice === 'append' ? choice : null)}
          >
            {choice === 'replace'
              ? '置き換える'
              : choice === 'append'
                ? '書き足す'
                : 'いまのまま残す'}
          </Button>
        </>
      }
    >
      <dl className="compare">
        <dt>いまのシート</dt>
        <dd>{now}</dd>
        <dt>下書き</dt>
        <dd>{next}</dd>
      </dl>
      <RadioGroup
        label="どうしますか"
        required
        columns
        options={[
          { code: 'keep', label: 'いまのまま残す' },
          ...(appendable ? [{ code: 'append', label: '下書きを書き足す' }] : []),
          {
            code: 'replace',
            label: '下書きに置き換える',
            support: '前の内容は、この画面を開いている間だけ「戻す」で戻せます',
          },
        ]}
        value={choice}
        onChange={setChoice}
      />
    </Dialog>
  );
}

function SpeakerDialog({
  transcript,
  speakers,
  onClose,
}: {
  transcript: Transcript;
  speakers: readonly string[];
  onClose: () => void;
}) {
  const client = useQueryClient();
  const [roles, setRoles] = useState<Record<string, string>>({ ...transcript.speakers });
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const next = await api.patch<Transcript>(`transcripts/${transcript.id}`, { speakers: roles });
      client.setQueryData(['transcript', transcript.id], (old: Transcript | undefined) => ({
        ...old,
        ...next,
      }));
      onClose();
    } catch (error) {
      setProblem(problemText(error));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title="話し手を決める"
      isOpen
      onClose={onClose}
      width="s"
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" busy={busy} onClick={() => void save()}>
            決めて下書きを作り直す
          </Button>
        </>
      }
    >
      <div className="stack">
        <p>
          だれの発言かを決めると、本人のことばだけから下書きを作ります。受け入れ済みの項目は変わりません。
        </p>
        {problem && (
          <Notice tone="error" live>
            {problem}
          </Notice>
        )}
        {speakers.map((speaker) => (
          <Select
            key={speaker}
            label={speaker || '話し手不明'}
            support={`「${[...(transcript.utterances.find((utterance) => utterance.speaker === speaker)?.text ?? '')].slice(0, 24).join('')}…」`}
            value={roles[speaker] ?? ''}
            options={Object.entries(ROLES).map(([code, label]) => ({ code, label }))}
            onChange={(role) => setRoles({ ...roles, [speaker]: role })}
          />
        ))}
      </div>
    </Dialog>
  );
}

/** A value in words, and a word for none. */
function words(...value: Parameters<typeof valueText>): string {
  return valueText(...value) || '（空欄）';
}
