import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import type { PageProps } from '../../app/routes';
import { useSession } from '../../app/session';
import { useTitle } from '../../app/title';
import { problemText } from '../../i18n/problems';
import { Button, Empty, LinkButton, Notice, Progress } from '../../ui';
import { personName, useCase, type CaseDetail } from '../cases/api';
import { dateTime, localDate, wareki } from '../cases/dates';
import { writerWords } from '../cases/parts';
import { consent, CONSENT_METHODS, METHODS, sectionLabel } from '../cases/vocabulary';
import './print.css';

/** What is asked for once: every time it is asked for, the audit notes a print. */
const ONCE = {
  staleTime: Infinity,
  gcTime: 0,
  refetchOnWindowFocus: false,
  refetchOnReconnect: false,
} as const;

/** 「印刷」 of what stands in lists and not in a sheet: 経過一覧 and 同意書, on A4. */
export default function CasePrintPage({ params }: PageProps) {
  const id = params['caseId'] ?? '';
  const part = params['part'] ?? '';
  const detail = useCase(id);
  if (detail.error || (part !== 'progress' && part !== 'consent'))
    return (
      <Empty
        icon="lock"
        title="この記録は印刷できません"
        action={<LinkButton href="/cases">事案の一覧へ</LinkButton>}
      >
        {detail.error
          ? problemText(detail.error)
          : '印刷する記録を、事案の画面から選んでください。'}
      </Empty>
    );
  if (!detail.data) return <Progress label="記録を読み込んでいます" />;
  return part === 'progress' ? (
    <ProgressPaper detail={detail.data} />
  ) : (
    <ConsentPaper detail={detail.data} person={params['personId'] ?? ''} />
  );
}

function Frame({ back, children }: { back: string; children: ReactNode }) {
  return (
    <div className="print-page">
      <div className="print-page__bar no-print">
        <LinkButton href={back} size="s" icon="left">
          記録に戻る
        </LinkButton>
        <p className="soft">
          A4で印刷されます。印刷の画面を開いたことは監査ログに記録されています。
        </p>
        <Button variant="primary" icon="print" onClick={() => window.print()}>
          印刷する
        </Button>
      </div>
      {children}
    </div>
  );
}

function Head({ title, masked }: { title: string; masked: boolean }) {
  const { session } = useSession();
  return (
    <>
      <header className="paper__head">
        <p className="paper__place">{session.municipality.name}</p>
        <h1 tabIndex={-1}>{title}</h1>
        <p className="paper__state">※未検証</p>
      </header>
      {masked && (
        <p className="paper__masked">
          マスク済み（個人情報として取扱い）　氏名・住所などは［氏名1］のように伏せてあります。
        </p>
      )}
    </>
  );
}

function Foot() {
  const { session } = useSession();
  return (
    <footer className="paper__foot">
      <p>※未検証：国の様式との照合がまだ済んでいない様式です。</p>
      <p>
        印刷 {dateTime(new Date().toISOString(), session.municipality.zone)}　{session.account.name}
      </p>
    </footer>
  );
}

/** 経過一覧: the entries one may see, the oldest first. */
function ProgressPaper({ detail }: { detail: CaseDetail }) {
  const { session } = useSession();
  useTitle('支援経過一覧（印刷）');
  const query = useQuery({
    queryKey: ['print', detail.id, 'progress'],
    queryFn: ({ signal }) =>
      api.get<Schema<'ProgressList'>>(
        `cases/${detail.id}/progress-records`,
        { print: true },
        signal,
      ),
    ...ONCE,
  });
  if (query.error)
    return (
      <Notice tone="error" live>
        {problemText(query.error)}
      </Notice>
    );
  if (!query.data) return <Progress label="印刷の準備をしています" />;
  const records = [...query.data.items].reverse();
  return (
    <Frame back={`/cases/${detail.id}/progress`}>
      <article className="paper">
        <Head title="支援経過一覧" masked={records.some((record) => record.level === 'masked')} />
        <table className="paper__table paper__facts">
          <tbody>
            <tr>
              <th scope="row">事案番号</th>
              <td>{detail.case_no}</td>
              <th scope="row">受付日</th>
              <td>{wareki(detail.received_on)}</td>
            </tr>
          </tbody>
        </table>
        <table className="paper__table paper__rows paper__log">
          <caption className="visually-hidden">支援経過</caption>
          <thead>
            <tr>
              <th scope="col">日付・方法</th>
              <th scope="col">機関・記録者</th>
              <th scope="col">内容</th>
            </tr>
          </thead>
          <tbody>
            {records.length === 0 && (
              <tr>
                <td colSpan={3}>記録はありません。</td>
              </tr>
            )}
            {records.map((record) => (
              <tr key={record.id} className="long">
                <td>
                  {wareki(record.performed_on)}
                  <br />
                  {METHODS[record.method] ?? record.method}
                </td>
                <td className="paper__text">{writerWords(record.agency, record.staff, '\n')}</td>
                <td className="paper__text">
                  {record.withheld
                    ? '印刷しません（伏せることばの確認中）'
                    : [record.title, record.content].filter(Boolean).join('\n')}
                  {record.amendments.map((amendment) => (
                    <p key={`${amendment.at} ${amendment.by.id}`}>
                      【
                      {[
                        '訂正',
                        wareki(localDate(new Date(amendment.at), session.municipality.zone)),
                        amendment.by.name,
                      ]
                        .filter(Boolean)
                        .join(' ')}
                      】
                      {[amendment.reason && `理由：${amendment.reason}`, amendment.content]
                        .filter(Boolean)
                        .join('\n')}
                    </p>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <Foot />
      </article>
    </Frame>
  );
}

/** 同意書: what was agreed, or empty lines to be filled in and signed. */
function ConsentPaper({ detail, person }: { detail: CaseDetail; person: string }) {
  useTitle('同意書（印刷）');
  const query = useQuery({
    queryKey: ['print', detail.id, 'consents'],
    queryFn: ({ signal }) =>
      api.get<Schema<'ConsentList'>>(`cases/${detail.id}/consents`, { print: true }, signal),
    ...ONCE,
  });
  const who = detail.persons.find((entry) => entry.person_id === person);
  if (query.error || !who)
    return (
      <Notice tone="error" live>
        {query.error
          ? problemText(query.error)
          : 'この方の同意書は印刷できません。事案の「同意・共有」から選び直してください。'}
      </Notice>
    );
  if (!query.data) return <Progress label="印刷の準備をしています" />;
  const entry = query.data.items.find((item) => item.person_id === person && item.current);
  const given = entry && ['full', 'limited', 'verbal'].includes(entry.status) ? entry : undefined;
  const agency = (id: string): string =>
    detail.members.find((member) => member.agency.id === id)?.agency.name ??
    '（支援機関から外れた機関）';
  const all = given && given.status !== 'limited' ? '事案の支援機関すべて' : '';
  const rows: [string, string][] = [
    ['利用目的', given?.purpose ?? ''],
    [
      '共有してよい機関',
      given?.allowed_agencies ? given.allowed_agencies.map(agency).join('、') : all,
    ],
    ['共有しない機関', given?.excluded_agencies.map(agency).join('、') ?? ''],
    [
      '共有してよい記録',
      given?.allowed_sections
        ? given.allowed_sections.map(sectionLabel).join('、')
        : all && 'すべての記録',
    ],
    ['有効期限・再確認日', wareki(given?.expires_on)],
    ['説明に使った規程・説明書', given?.policy_version ?? ''],
  ];
  return (
    <Frame back={`/cases/${detail.id}/sharing/consents`}>
      <article className="paper">
        <Head title="個人情報の共有に関する同意書" masked={false} />
        <p>
          私は、支援のために、次の範囲で私の個人情報が関係する機関の間で共有されることについて説明を受け、同意します。同意は、いつでも撤回できます。
        </p>
        <table className="paper__table paper__facts">
          <tbody>
            <tr>
              <th scope="row">事案番号</th>
              <td>{detail.case_no}</td>
              <th scope="row">同意する方</th>
              <td>{personName(who)}</td>
            </tr>
            <tr>
              <th scope="row">同意の区分</th>
              <td>{given ? consent(given.status).long : ''}</td>
              <th scope="row">同意を得た日・方法</th>
              <td>
                {given &&
                  [
                    wareki(given.obtained_on),
                    given.method && (CONSENT_METHODS[given.method] ?? given.method),
                  ]
                    .filter(Boolean)
                    .join('　')}
              </td>
            </tr>
          </tbody>
        </table>
        <table className="paper__table">
          <tbody>
            {rows.map(([label, value]) => (
              <tr key={label} className="long">
                <th scope="row">{label}</th>
                <td className="paper__text">{value}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <table className="paper__table">
          <tbody>
            <tr className="long">
              <th scope="row">署名（自署）</th>
              <td>　　　　年　　　月　　　日</td>
            </tr>
            <tr className="long">
              <th scope="row">代理人・立会人</th>
              <td>{given?.proxy}</td>
            </tr>
            <tr>
              <th scope="row">説明した職員</th>
              <td>{given?.obtained_by.name}</td>
            </tr>
          </tbody>
        </table>
        <Foot />
      </article>
    </Frame>
  );
}
