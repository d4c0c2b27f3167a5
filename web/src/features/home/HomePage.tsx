import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import { NewCaseLink } from '../cases/NewCaseLink';
import { Button, Card, Count, Empty, LinkButton, Table, Tag } from '../../ui';
import type { CasePage, CaseSummary } from '../cases/api';
import { ago, daysSince, localDate, monthDay, QUIET_DAYS, wareki } from '../cases/dates';
import {
  CaseLink,
  ClientNames,
  ConsentChip,
  FlagChips,
  QueryState,
  StageMeter,
  UrgencyChip,
} from '../cases/parts';
import { covers, flag, isEnded, sectionLabel } from '../cases/vocabulary';
import { HomeRequests } from '../requests/HomeRequests';
import { forgetMissing, readRecent } from './recent';
import { ORDERS, sortCases, type Order } from './order';
import './home.css';

/** How many of one's own cases the home screen shows before it points to the list. */
const SHOWN = 10;
/** Lines per column of 気をつける担当事案, and of each card beside it: about the same height. */
const ATTENTION = 6;
const BESIDE = 3;
/** Reminders on the home screen before one asks for the others. */
const REMINDED = 5;

/** 「ホーム」: what is mine comes first. */
export default function HomePage() {
  const { session, can } = useSession();
  const today = localDate(new Date(), session.municipality.zone);
  return (
    <>
      <div className="page-head">
        <div className="home-greeting">
          <h1 tabIndex={-1}>
            {greeting(new Date(), session.municipality.zone)}、
            {session.account.name.split(/[\s　]/)[0]}さん
          </h1>
          <p className="soft">{wareki(today)}</p>
        </div>
        {can('create_case') && <NewCaseLink />}
      </div>
      {can('read_cases') ? <CaseHome today={today} /> : <OtherHome />}
    </>
  );
}

function greeting(now: Date, zone: string): string {
  const hour = Number(
    new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: 'numeric', hourCycle: 'h23' }).format(
      now,
    ),
  );
  if (hour < 11) return 'おはようございます';
  return hour < 18 ? 'こんにちは' : 'おつかれさまです';
}

function CaseHome({ today }: { today: string }) {
  const { can } = useSession();
  const mine = useQuery({
    queryKey: ['cases', 'home', 'mine'],
    queryFn: ({ signal }) => api.get<CasePage>('cases', { mine: true, limit: 50 }, signal),
  });
  // Whoever is in charge of no case has nothing to be careful about either.
  const idle = mine.data?.items.every((item) => isEnded(item.stage)) ?? false;
  return (
    <div className="home">
      <div className="home__top">
        <div className="home__column">
          {!idle && (
            <Attention cases={mine.data?.items ?? []} today={today} loaded={mine.isSuccess} />
          )}
          <Reminders today={today} />
          {idle && <MyCases query={mine} today={today} />}
        </div>
        <div className="home__column">
          <HomeRequests today={today} />
          {can('review_masks') && <Reviews />}
          <Recent today={today} />
        </div>
      </div>
      {!idle && <MyCases query={mine} today={today} />}
    </div>
  );
}

/** Cases of mine that should not wait: urgent, silent for long, or with consent to be asked. */
function Attention({
  cases,
  today,
  loaded,
}: {
  cases: readonly CaseSummary[];
  today: string;
  loaded: boolean;
}) {
  const open = cases.filter((item) => !isEnded(item.stage));
  const urgent = open.filter((item) => item.urgency === 's' || item.urgency === 'a');
  const quiet = open.filter(
    (item) => (daysSince(item.last_progress_on ?? item.received_on, today) ?? 0) >= QUIET_DAYS,
  );
  const consent = open.filter((item) => item.consent.some((entry) => !covers(entry.status)));
  const columns = [
    {
      key: 'urgent',
      title: '緊急性が高い',
      tone: 'red' as const,
      items: urgent,
      none: '緊急性の高い担当事案はありません。',
    },
    {
      key: 'quiet',
      title: '連絡が空いている',
      tone: 'red' as const,
      items: quiet,
      none: `${QUIET_DAYS}日以上空いた事案はありません。`,
    },
    {
      key: 'consent',
      title: '同意の確認',
      tone: 'blue' as const,
      items: consent,
      none: '確認の残る事案はありません。',
    },
  ];
  return (
    <Card title="気をつける担当事案" icon="warning" flush>
      <div className="attention">
        {columns.map((column) => (
          <section
            key={column.key}
            className="attention__column"
            aria-labelledby={`attention-${column.key}`}
          >
            <h3 id={`attention-${column.key}`}>
              {column.title}{' '}
              {loaded && (
                <Count
                  value={column.items.length}
                  tone={column.items.length ? column.tone : 'grey'}
                />
              )}
            </h3>
            {column.items.length === 0 && loaded && <p className="soft">{column.none}</p>}
            <ul>
              {column.items.slice(0, ATTENTION).map((item) => (
                <li key={item.id}>
                  <Link
                    href={`/cases/${item.id}/${column.key === 'consent' ? 'sharing' : 'overview'}`}
                  >
                    <ClientNames clients={item.clients} />
                  </Link>
                  <span className="soft">
                    {column.key === 'urgent' && <UrgencyChip code={item.urgency} />}
                    {column.key === 'quiet' && (
                      <span className="late">
                        {ago(item.last_progress_on ?? item.received_on, today)}
                      </span>
                    )}
                    {column.key === 'consent' && (
                      <ConsentChip
                        status={
                          item.consent.find((entry) => !covers(entry.status))?.status ??
                          'unconfirmed'
                        }
                      />
                    )}{' '}
                    <span className="number">{item.case_no}</span>
                  </span>
                </li>
              ))}
            </ul>
            {column.items.length > ATTENTION && (
              <p className="soft">ほか {column.items.length - ATTENTION}件（下の一覧）</p>
            )}
          </section>
        ))}
      </div>
    </Card>
  );
}

function Reviews() {
  const query = useQuery({
    queryKey: ['mask-reviews'],
    queryFn: ({ signal }) => api.get<Schema<'ReviewList'>>('mask-reviews', undefined, signal),
  });
  const waiting = (query.data?.items ?? []).filter((review) => review.pending > 0);
  return (
    <Card
      title={
        <>
          マスク確認待ち{' '}
          {query.isSuccess && (
            <Count
              value={waiting.length}
              more={query.data.more}
              tone={waiting.length ? 'red' : 'grey'}
            />
          )}
        </>
      }
      icon="mask"
      aside={<Link href="/mask-reviews">すべて見る</Link>}
    >
      <QueryState query={query} what="確認待ち" />
      {query.isSuccess && waiting.length === 0 && <p className="soft">確認待ちはありません。</p>}
      <ul className="plain-list">
        {waiting.slice(0, BESIDE).map((review) => (
          <li key={review.document_id}>
            <Link href={`/mask-reviews/${review.document_id}`}>
              {review.case_no} {sectionLabel(review.section ?? review.kind)}
            </Link>
            <Tag tone="orange" icon="warning" small>
              残り {review.pending}
            </Tag>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** Where each kind of reminder is dealt with. */
const REMINDED_AT: Readonly<Record<string, string>> = {
  consent: 'sharing',
  right: 'sharing/matrix',
};

/** 「受付、支援経過」, and of many how many more. */
function sectionList(sections: readonly string[]): string {
  const named = sections.slice(0, 2).map(sectionLabel).join('、');
  return sections.length > 2 ? `${named}ほか${sections.length - 2}つ` : named;
}

/** Consents to be confirmed again, flags to be reviewed, rights that end; nothing stands here when nothing is due. */
function Reminders({ today }: { today: string }) {
  const query = useQuery({
    queryKey: ['cases', 'home', 'reminders'],
    queryFn: ({ signal }) => api.get<Schema<'ReminderList'>>('cases/reminders', undefined, signal),
  });
  const [all, setAll] = useState(false);
  const items = query.data?.items ?? [];
  if (query.isSuccess && items.length === 0) return null;
  const overdue = items.filter((item) => item.due < today).length;
  return (
    <Card
      title={
        <>
          同意の再確認・注意の見直し・開示の終わり{' '}
          {query.isSuccess && <Count value={items.length} tone={overdue ? 'red' : 'grey'} />}
        </>
      }
      icon="calendar"
    >
      <QueryState query={query} what="見直しの予定" />
      <ul className="plain-list">
        {items.slice(0, all ? undefined : REMINDED).map((item) => (
          <li
            key={`${item.kind} ${item.person_id ?? item.display} ${item.flag ?? item.case_id} ${item.due}`}
          >
            <span>
              <Link href={`/cases/${item.case_id}/${REMINDED_AT[item.kind] ?? 'overview'}`}>
                {item.kind === 'right'
                  ? `${item.display}への開示（${sectionList(item.sections)}）の終わり`
                  : `${item.display}さん${item.kind === 'consent' ? 'の同意' : `の「${flag(item.flag ?? '').label}」`}`}
              </Link>{' '}
              <span className="soft number nowrap">{item.case_no}</span>
            </span>
            <span className={item.due < today ? 'late nowrap' : 'soft nowrap'}>
              {item.due < today
                ? `${monthDay(item.due, today)}を過ぎています`
                : `${monthDay(item.due, today)}まで`}
            </span>
          </li>
        ))}
      </ul>
      {items.length > REMINDED && (
        <Button
          size="s"
          variant="text"
          icon={all ? 'up' : 'down'}
          aria-expanded={all}
          onClick={() => setAll(!all)}
        >
          {all ? '少なく表示する' : `ほか${items.length - REMINDED}件を表示する`}
        </Button>
      )}
    </Card>
  );
}

/** Opened on this machine first (ids only are kept), then what moved last. */
function Recent({ today }: { today: string }) {
  const { session } = useSession();
  const query = useQuery({
    queryKey: ['cases', 'home', 'recent'],
    queryFn: ({ signal }) => api.get<CasePage>('cases', { limit: 50 }, signal),
  });
  const all = query.data?.items ?? [];
  const opened = readRecent(session.account.id)
    .map((id) => all.find((item) => item.id === id))
    .filter((item): item is CaseSummary => item !== undefined);
  if (query.isSuccess)
    forgetMissing(
      session.account.id,
      all.map((item) => item.id),
      query.data.next_cursor === null,
    );
  const moved = [...all].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
  const shown = [...new Map([...opened, ...moved].map((item) => [item.id, item])).values()].slice(
    0,
    BESIDE,
  );
  return (
    <Card title="最近開いた・動きのあった事案" icon="clock">
      <QueryState query={query} what="最近の事案" />
      {query.isSuccess && shown.length === 0 && <p className="soft">まだありません。</p>}
      <ul className="plain-list">
        {shown.map((item) => (
          <li key={item.id} className="plain-list__line">
            <span>
              <Link href={`/cases/${item.id}/overview`}>
                <ClientNames clients={item.clients} />
              </Link>{' '}
              <span className="soft number nowrap">{item.case_no}</span>
            </span>
            <span className="soft nowrap">
              {opened.includes(item)
                ? '開いた事案'
                : `更新 ${ago(localDate(new Date(item.updated_at), session.municipality.zone), today)}`}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function MyCases({
  query,
  today,
}: {
  query: {
    data?: CasePage | undefined;
    isPending: boolean;
    isError: boolean;
    isSuccess: boolean;
    error: unknown;
    refetch: () => unknown;
  };
  today: string;
}) {
  const { can } = useSession();
  const [order, setOrder] = useState<Order>('moved');
  const cases = sortCases(query.data?.items ?? [], order, today).filter(
    (item) => !isEnded(item.stage),
  );
  return (
    <Card
      flush
      icon="folder"
      title={<>わたしの事案 {query.isSuccess && <Count value={cases.length} />}</>}
      aside={
        cases.length > 1 && (
          <div className="segmented" role="group" aria-label="並び順">
            {ORDERS.map((entry) => (
              <Button
                key={entry.code}
                size="s"
                aria-pressed={order === entry.code}
                onClick={() => setOrder(entry.code)}
              >
                {entry.label}
              </Button>
            ))}
          </div>
        )
      }
    >
      {!query.isSuccess && (
        <div className="card__body">
          <QueryState query={query} what="担当事案" />
        </div>
      )}
      {query.isSuccess && cases.length === 0 && (
        <Empty
          title="担当している事案はまだありません"
          action={
            <span className="row">
              {can('create_case') && (
                <LinkButton href="/cases/new" variant="primary" icon="plus">
                  新しい相談を受け付ける
                </LinkButton>
              )}
              <LinkButton href="/cases">見られる事案の一覧へ</LinkButton>
            </span>
          }
        >
          {can('create_case') && can('manage_members')
            ? '相談を受け付けるか、担当を引き受けると、ここに並びます。'
            : can('edit_case')
              ? '所属で見られる事案は「事案」の一覧にあります。自分が担当するときは、事案の「依頼」の「割当」であなたを担当者にすると、ここに並びます。'
              : '所属で見られる事案は「事案」の一覧にあります。'}
        </Empty>
      )}
      {cases.length > 0 && (
        <>
          <Table
            caption="わたしの事案"
            captionHidden
            rows={cases.slice(0, SHOWN)}
            rowKey={(item) => item.id}
            columns={[
              {
                key: 'who',
                head: '対象者・事案番号',
                header: true,
                cell: (item) => <CaseLink item={item} />,
              },
              {
                key: 'urgency',
                head: '緊急性',
                cell: (item) => <UrgencyChip code={item.urgency} />,
              },
              {
                key: 'stage',
                head: '段階',
                cell: (item) => (
                  <>
                    <StageMeter stage={item.stage} />
                    {item.consent.some((entry) => !covers(entry.status)) && (
                      <div className="home__open">同意確認に未了あり</div>
                    )}
                  </>
                ),
              },
              {
                key: 'last',
                head: '最後の記録',
                cell: (item) => <LastContact item={item} today={today} />,
              },
              { key: 'owner', head: '主担当', cell: (item) => item.owner?.name ?? '—' },
              { key: 'flags', head: '注意', cell: (item) => <FlagChips flags={item.flags} /> },
            ]}
          />
          <div className="list-foot">
            <span className="soft">終結・他機関へつないだ事案は「事案」の一覧にあります。</span>
            <Link href="/cases">
              {cases.length > SHOWN ? `残り${cases.length - SHOWN}件を見る` : '事案の一覧へ'}
            </Link>
          </div>
        </>
      )}
    </Card>
  );
}

function LastContact({ item, today }: { item: CaseSummary; today: string }) {
  if (!item.last_progress_on)
    return <span className="soft">記録なし（受付 {monthDay(item.received_on, today)}）</span>;
  const late = (daysSince(item.last_progress_on, today) ?? 0) >= QUIET_DAYS;
  return (
    <>
      {monthDay(item.last_progress_on, today)}
      <div className={late ? 'late' : 'soft'}>{ago(item.last_progress_on, today)}</div>
    </>
  );
}

/** Roles without case content: the way to what they are here for. */
function OtherHome() {
  const { can } = useSession();
  const places = [
    {
      can: can('admin_accounts') || can('admin_own_agency'),
      href: '/admin/accounts',
      label: '利用者と所属',
      text: '登録、変更、停止、認証の再設定',
    },
    {
      can: can('admin_agencies'),
      href: '/admin/agencies',
      label: '機関',
      text: '登録、変更、停止',
    },
    {
      can: can('admin_forms'),
      href: '/admin/forms',
      label: '項目の追加',
      text: '様式に加えるこの自治体の項目と選択肢',
    },
    {
      can: can('admin_forms'),
      href: '/admin/presets',
      label: '開示のひな型',
      text: '機関の種別ごとに見せる範囲',
    },
    {
      can: can('export_cases') || can('edit_persons') || can('admin_settings'),
      href: '/exchange',
      label: '取込・出力',
      text: 'ファイルの取込と書き出し、名前の対応',
    },
    {
      can: can('read_statistics'),
      href: '/statistics',
      label: '統計',
      text: '新規相談の件数、グラフ、CSV',
    },
    {
      can: can('read_audit'),
      href: '/admin/audit',
      label: '監査ログ',
      text: 'だれが・いつ・何をしたか',
    },
    {
      can: can('erase_request') || can('read_audit'),
      href: '/admin/erasures',
      label: '消去',
      text: '消去の申請と廃棄記録',
    },
  ].filter((place) => place.can);
  if (places.length === 0)
    return (
      <Empty icon="lock" title="この所属で開ける画面がありません">
        別の所属をお持ちのときは、右上の氏名から切り替えてください。所属の登録は管理者にご依頼ください。
      </Empty>
    );
  return (
    <Card title="この所属でできること" icon="list">
      <ul className="plain-list">
        {places.map((place) => (
          <li key={place.href}>
            <Link href={place.href}>{place.label}</Link>
            <span className="soft">{place.text}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
