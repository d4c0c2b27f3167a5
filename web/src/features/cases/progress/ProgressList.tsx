import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import { api } from '../../../api/client';
import type { Schema } from '../../../api/types';
import { useSession } from '../../../app/session';
import {
  Button,
  Card,
  Checkbox,
  DateInput,
  Empty,
  LinkButton,
  Select,
  Tag,
  TextInput,
  UnreadContext,
  Unverified,
  useUnread,
} from '../../../ui';
import { MaskedText, Withheld } from '../../sheet';
import {
  caseKeys,
  personName,
  type CaseDetail,
  type ProgressRecord,
  type SectionInfo,
} from '../api';
import { dateTime, localDate, monthDay, wareki } from '../dates';
import { QueryState, writerWords } from '../parts';
import { levelOf, LOG_KINDS, METHODS, VISIBILITIES } from '../vocabulary';
import { AmendDialog } from './AmendDialog';
import { AttachmentLink } from './Attachments';
import { byMonth, shownText } from './shown';

type Page = Schema<'ProgressList'>;

interface Filters {
  from: string;
  to: string;
  method: string;
  staff: string;
  agency: string;
  person: string;
  kind: string;
  attached: boolean;
  words: string;
}

const NO_FILTERS: Filters = {
  from: '',
  to: '',
  method: '',
  staff: '',
  agency: '',
  person: '',
  kind: '',
  attached: false,
  words: '',
};

const PAGE = 30;
/** Pages that are fetched to find the entry of a link. */
const FETCHED_FOR_LINK = 40;

function bodyOf(filters: Filters, cursor: string | undefined): Record<string, unknown> {
  const list = (value: string) => (value === '' ? [] : [value]);
  return {
    ...(filters.from ? { from: filters.from } : {}),
    ...(filters.to ? { to: filters.to } : {}),
    methods: list(filters.method),
    staff: list(filters.staff),
    agencies: list(filters.agency),
    persons: list(filters.person),
    kinds: list(filters.kind),
    with_attachments: filters.attached,
    ...(filters.words.trim() ? { words: filters.words.trim() } : {}),
    ...(cursor ? { cursor } : {}),
    limit: PAGE,
  };
}

/** Entries of a case; `item` is pointed out (a deep link to one record). */
export function ProgressList({
  detail,
  section,
  item,
  limit,
}: {
  detail: CaseDetail;
  section: SectionInfo | undefined;
  item?: string | undefined;
  limit?: number;
}) {
  return limit ? (
    <ShortList detail={detail} section={section} limit={limit} />
  ) : (
    <LongList detail={detail} section={section} item={item} />
  );
}

/** The newest entries, for an overview. */
function ShortList({
  detail,
  section,
  limit,
}: {
  detail: CaseDetail;
  section: SectionInfo | undefined;
  limit: number;
}) {
  const query = useQuery({
    queryKey: [...caseKeys.part(detail.id, 'progress'), limit],
    queryFn: ({ signal }) =>
      api.get<Page>(`cases/${detail.id}/progress-records`, { limit }, signal),
    refetchInterval: 20_000,
  });
  const total = query.data?.total ?? 0;
  return (
    <ListCard
      section={section}
      aside={
        total > limit ? (
          <Link href={`/cases/${detail.id}/progress`}>すべて（{total}）</Link>
        ) : (
          query.data && <span className="soft">{total}件　新しい順</span>
        )
      }
    >
      {!query.data && (
        <div className="card__body">
          <QueryState query={query} what="支援経過" />
        </div>
      )}
      {query.data?.items.length === 0 && <Nothing />}
      {query.data?.items.map((record) => (
        <Entry key={record.id} detail={detail} section={section} record={record} level={3} />
      ))}
    </ListCard>
  );
}

function ListCard({
  section,
  aside,
  children,
}: {
  section: SectionInfo | undefined;
  aside: React.ReactNode;
  children: React.ReactNode;
}) {
  const masked = levelOf(section?.level) === 'masked';
  return (
    <Card
      flush
      icon="list"
      title="支援経過"
      {...(masked ? { tone: 'purple' as const } : {})}
      aside={
        <span className="row">
          <Unverified title="国の様式との照合が済んでいない様式の記録です。" />
          {aside}
        </span>
      }
    >
      {children}
    </Card>
  );
}

function Nothing() {
  return (
    <Empty icon="list" title="支援経過はまだありません">
      電話や訪問のたびに、短くてもかまわないので記録を残してください。
    </Empty>
  );
}

/** All entries, page by page, with filters, by month. */
function LongList({
  detail,
  section,
  item,
}: {
  detail: CaseDetail;
  section: SectionInfo | undefined;
  item: string | undefined;
}) {
  const [filters, setFilters] = useState(NO_FILTERS);
  const filtered = JSON.stringify(filters) !== JSON.stringify(NO_FILTERS);
  const query = useInfiniteQuery({
    queryKey: [...caseKeys.part(detail.id, 'progress'), filters],
    queryFn: ({ pageParam }) =>
      api.post<Page>(`cases/${detail.id}/progress-records/search`, bodyOf(filters, pageParam)),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page) => page.next_cursor ?? undefined,
    refetchInterval: 20_000,
    placeholderData: (old) => old,
  });
  const [amending, setAmending] = useState<ProgressRecord | null>(null);
  const first = query.data?.pages[0];
  const records = query.data?.pages.flatMap((page) => page.items) ?? [];
  const total = first?.total ?? 0;
  const fetched = query.data?.pages.length ?? 0;
  const found = useRef(false);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    if (!item || found.current || fetched === 0) return;
    const element = document.getElementById(`record-${item}`);
    if (!element) {
      if (hasNextPage && !isFetchingNextPage && fetched < FETCHED_FOR_LINK) void fetchNextPage();
      return;
    }
    found.current = true;
    element.scrollIntoView({ block: 'center' });
    element.focus({ preventScroll: true });
  }, [item, fetched, hasNextPage, isFetchingNextPage, fetchNextPage]);
  return (
    <ListCard
      section={section}
      aside={
        first && (
          <span className="row">
            <span className="soft" role="status">
              {filtered ? `${total}件が当てはまります` : `${total}件`}　新しい順
            </span>
            {(total > 0 || filtered) && (
              <LinkButton href={`/print/cases/${detail.id}/progress`} size="s" icon="print">
                一覧を印刷
              </LinkButton>
            )}
          </span>
        )
      }
    >
      <FilterBar
        filters={filters}
        choices={first?.choices ?? undefined}
        masked={levelOf(section?.level) === 'masked'}
        onChange={setFilters}
      />
      {!query.data && (
        <div className="card__body">
          <QueryState query={query} what="支援経過" />
        </div>
      )}
      {query.data &&
        records.length === 0 &&
        (filtered ? (
          <Empty icon="search" title="当てはまる記録はありません">
            条件を減らすか、期間を広げてください。
          </Empty>
        ) : (
          <Nothing />
        ))}
      {byMonth(records).map((month) => (
        <section key={month.month} aria-labelledby={`month-${month.month}`}>
          <h3 id={`month-${month.month}`} className="record-month">
            {monthWords(month.month)}
          </h3>
          {month.records.map((record) => (
            <Entry
              key={record.id}
              detail={detail}
              section={section}
              record={record}
              item={item}
              level={4}
              onAmend={setAmending}
            />
          ))}
        </section>
      ))}
      {hasNextPage && (
        <div className="card__body row">
          <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            続きを表示する（あと{total - records.length}件）
          </Button>
        </div>
      )}
      {amending && (
        <AmendDialog detail={detail} record={amending} onClose={() => setAmending(null)} />
      )}
    </ListCard>
  );
}

/** 「令和8年11月」 of `2026-11`. */
function monthWords(month: string): string {
  return wareki(`${month}-01`).replace(/月.*$/, '月');
}

function FilterBar({
  filters,
  choices,
  masked,
  onChange,
}: {
  filters: Filters;
  choices: Page['choices'] | undefined;
  /** Seen masked, entries are about nobody and of no kind: those filters would find nothing. */
  masked: boolean;
  onChange: (filters: Filters) => void;
}) {
  const [open, setOpen] = useState(false);
  const [words, setWords] = useState(filters.words);
  // The first page alone brings the choices; they stay while another is asked for.
  const [known, setKnown] = useState(choices);
  if (choices && choices !== known) setKnown(choices);
  const unread = useUnread();
  const put = (part: Partial<Filters>): void => onChange({ ...filters, ...part });
  const named = (list: readonly { id: string; name: string }[] = []) =>
    list.map((one) => ({ code: one.id, label: one.name }));
  const active = Object.entries(filters).filter(([, value]) => value !== '' && value !== false);
  return (
    <form
      className="card__body stack record-filters no-print"
      role="search"
      aria-label="支援経過の絞り込み"
      onSubmit={(event) => {
        event.preventDefault();
        if (unread.problems().length === 0) put({ words });
      }}
    >
      <UnreadContext value={unread}>
        <div className="row">
          <TextInput label="ことば" value={words} onChange={setWords} maxLength={200} />
          <Button type="submit" icon="search">
            探す
          </Button>
          <Button
            variant="quiet"
            icon={open ? 'up' : 'down'}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            条件で絞る
          </Button>
          {active.length > 0 && (
            <Button
              variant="quiet"
              icon="close"
              onClick={() => {
                setWords('');
                onChange(NO_FILTERS);
              }}
            >
              条件を外す（{active.length}）
            </Button>
          )}
        </div>
        {open && (
          <div className="record-filters__more">
            <DateInput label="いつから" value={filters.from} onChange={(from) => put({ from })} />
            <DateInput label="いつまで" value={filters.to} onChange={(to) => put({ to })} />
            <Select
              label="方法"
              value={filters.method}
              empty="すべて"
              options={(known?.methods ?? []).map((code) => ({
                code,
                label: METHODS[code] ?? code,
              }))}
              onChange={(method) => put({ method })}
            />
            <Select
              label="担当者"
              value={filters.staff}
              empty="すべて"
              options={named(known?.staff)}
              onChange={(staff) => put({ staff })}
            />
            <Select
              label="機関"
              value={filters.agency}
              empty="すべて"
              options={named(known?.agencies)}
              onChange={(agency) => put({ agency })}
            />
            {!masked && (
              <>
                <Select
                  label="対象者"
                  value={filters.person}
                  empty="すべて"
                  options={(known?.persons ?? []).map((person) => ({
                    code: person.person_id,
                    label: person.display,
                  }))}
                  onChange={(person) => put({ person })}
                />
                <Select
                  label="種別"
                  value={filters.kind}
                  empty="すべて"
                  options={Object.entries(LOG_KINDS).map(([code, label]) => ({ code, label }))}
                  onChange={(kind) => put({ kind })}
                />
                <Checkbox
                  label="添付のある記録だけ"
                  checked={filters.attached}
                  onChange={(attached) => put({ attached })}
                />
              </>
            )}
          </div>
        )}
      </UnreadContext>
    </form>
  );
}

function Entry({
  detail,
  section,
  record,
  item,
  level,
  onAmend,
}: {
  detail: CaseDetail;
  section: SectionInfo | undefined;
  record: ProgressRecord;
  item?: string | undefined;
  level: 3 | 4;
  onAmend?: (record: ProgressRecord) => void;
}) {
  const { session } = useSession();
  const zone = session.municipality.zone;
  const today = localDate(new Date(), zone);
  const own = record.agency.id === session.membership.agency.id;
  const shown = shownText(record);
  const Heading = `h${level}` as const;
  const facts = [
    record.minutes == null ? '' : `${record.minutes}分`,
    (record.log_kind ?? []).map((code) => LOG_KINDS[code] ?? code).join('・'),
    record.involved_agencies?.length
      ? `関与 ${record.involved_agencies.map((agency) => agency.name).join('、')}`
      : '',
  ].filter(Boolean);
  return (
    <article
      id={`record-${record.id}`}
      tabIndex={-1}
      className={record.id === item ? 'record record--target' : 'record'}
      aria-labelledby={`record-${record.id}-title`}
    >
      <div className="record__head">
        <Heading id={`record-${record.id}-title`} className="record__title">
          <Link href={`/cases/${detail.id}/progress/${record.id}`}>
            {monthDay(record.performed_on, today)}
            {record.performed_at?.includes('T') && ` ${record.performed_at.slice(11, 16)}`}{' '}
            {METHODS[record.method] ?? record.method}
          </Link>
        </Heading>
        <span className="soft">
          {writerWords(record.agency, record.staff)}
          {record.persons &&
            record.persons.length > 0 &&
            `　対象 ${record.persons.map(personName).join('、')}`}
        </span>
        {levelOf(record.level ?? section?.level) === 'masked' && (
          <Tag tone="purple" icon="mask" small>
            マスク済み
          </Tag>
        )}
        {own && <Tag small>自機関の記録</Tag>}
        {typeof record.visibility === 'string' && record.visibility !== 'case_members' && (
          <Tag icon="lock" small>
            {VISIBILITIES[record.visibility]?.label ?? record.visibility}
          </Tag>
        )}
        {(record.amendments?.length ?? 0) > 0 && (
          <Tag tone="yellow" small>
            訂正あり
          </Tag>
        )}
      </div>
      {shown.title && (
        <p className="record__text">
          <b>
            <MaskedText text={shown.title} />
          </b>
        </p>
      )}
      {shown.content && (
        <p className="record__text">
          <MaskedText text={shown.content} />
        </p>
      )}
      {record.withheld && <Withheld />}
      {facts.length > 0 && <p className="soft">{facts.join('　')}</p>}
      {record.plan_items?.map((plan) => (
        <p key={plan.row_id} className="soft">
          プランの項目：{plan.words ?? '（プランを見る権限がないか、項目がなくなりました）'}
        </p>
      ))}
      {record.private_note && (
        <p className="record__note">
          <Tag icon="lock" small>
            機微メモ（自機関限り）
          </Tag>{' '}
          {record.private_note}
        </p>
      )}
      {record.attachments && record.attachments.length > 0 && (
        <ul className="attachments" aria-label="添付">
          {record.attachments.map((one) => (
            <li key={one.id}>
              <AttachmentLink caseId={detail.id} attachment={one} />
            </li>
          ))}
        </ul>
      )}
      {record.amendments?.map((amendment, index) => (
        <details key={amendment.id ?? index} className="record__old">
          <summary>
            {dateTime(amendment.at, zone)}{' '}
            {amendment.by.name ? `${amendment.by.name}が訂正` : '訂正'}
            {amendment.reason && `（理由：${amendment.reason}）`}
          </summary>
          {amendment.attached.length > 0 && <p>添付を加えた：{amendment.attached.join('、')}</p>}
          {amendment.detached.length > 0 && <p>添付を消した：{amendment.detached.join('、')}</p>}
          {shown.before[index] !== undefined && (
            <p>
              訂正前：
              <MaskedText text={shown.before[index]} />
            </p>
          )}
        </details>
      ))}
      {record.may_amend && onAmend && (
        <Button size="xs" variant="text" icon="pencil" onClick={() => onAmend(record)}>
          訂正する
        </Button>
      )}
    </article>
  );
}
