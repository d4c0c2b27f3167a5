import { Fragment } from 'react';
import { Link } from 'wouter';
import { useSession } from '../../app/session';
import { fieldAt, optionLabel, type FormDefinition } from '../../forms/definition';
import { Button, Card, Empty, Icon, Progress, Select, Tag } from '../../ui';
import { QueryState } from '../cases/parts';
import {
  NOW,
  useContributions,
  useKept,
  type Filter,
  type HistoryItem,
  type HistoryPart,
  type HistoryPerson,
  type Version,
} from './api';
import type { HistoryProps } from './DocumentHistory';
import { valueWords } from './values';
import { byDay, personWords, spanWords, timeWords, versionWords, withMarks } from './words';

/** 「だれが・いつ・何を」: contributions by day, the newest first. */
export function Timeline({
  documentId,
  base,
  definition,
  references,
  filter,
  onFilter,
}: HistoryProps & {
  definition: FormDefinition | undefined;
  filter: Filter;
  onFilter: (filter: Filter) => void;
}) {
  const { session } = useSession();
  const zone = session.municipality.zone;
  const query = useContributions(documentId, filter);
  const pages = query.data?.pages ?? [];
  const first = pages[0];
  const items = pages.flatMap((page) => page.items);
  const versions = useKept(documentId).data ?? [];
  const filtered = filter.field !== '' || filter.who !== '';
  return (
    <>
      <div className="history__filter">
        <Select
          label="欄"
          empty="すべての欄"
          value={filter.field}
          onChange={(field) => onFilter({ ...filter, field })}
          options={withCurrent(
            (first?.fields ?? []).map(({ id, label }) => ({ code: id, label })),
            filter.field,
            (definition && fieldAt(definition, filter.field)?.label) ?? 'この欄（記入なし）',
          )}
        />
        <Select
          label="人・機関"
          empty="すべての人"
          value={filter.who}
          onChange={(who) => onFilter({ ...filter, who })}
          options={withCurrent(whoOptions(first?.people ?? []), filter.who, 'この人（記入なし）')}
        />
        <Button
          size="s"
          variant="quiet"
          icon="refresh"
          busy={query.isFetching && !query.isFetchingNextPage}
          onClick={() => void query.refetch()}
        >
          最新を読み込む
        </Button>
        {filtered && (
          <Button size="s" variant="text" onClick={() => onFilter({ field: '', who: '' })}>
            しぼり込みをやめる
          </Button>
        )}
      </div>
      {!query.data && <QueryState query={query} what="履歴" />}
      {query.data && items.length === 0 && (
        <Empty
          icon="clock"
          title={filtered ? 'この条件の記入はありません' : 'まだだれも記入していません'}
        />
      )}
      {byDay(withMarks(items, filtered ? [] : versions, query.hasNextPage), zone).map(
        ({ day, items }) => (
          <Card key={day} title={day} icon="calendar" level={3} flush>
            <ol className="timeline">
              {items.map((item) =>
                'version' in item ? (
                  <Kept
                    key={`${item.version.id}-${item.version.kind}-${item.version.label ?? ''}`}
                    version={item.version}
                    versions={versions}
                    zone={zone}
                    base={base}
                  />
                ) : (
                  <Entry
                    key={item.id}
                    item={item}
                    zone={zone}
                    base={base}
                    definition={definition}
                    references={references}
                  />
                ),
              )}
            </ol>
          </Card>
        ),
      )}
      {query.hasNextPage && (
        <div className="row">
          <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            さらに古い記入を見る
          </Button>
        </div>
      )}
      {query.isFetchingNextPage && <Progress label="古い記入を読み込んでいます" />}
      {items.length > 0 && (
        <p className="soft">
          消したことばは残りません（文字数だけが分かります）。ことばは、いまも記録に残っているものです。時刻は分の単位です。
        </p>
      )}
    </>
  );
}

interface Option {
  code: string;
  label: string;
}

/** The chosen one stays in the list, also when nobody wrote in it. */
function withCurrent(options: readonly Option[], code: string, label: string): Option[] {
  return code === '' || options.some((option) => option.code === code)
    ? [...options]
    : [...options, { code, label }];
}

/** Agencies first, then their people. */
export function whoOptions(people: readonly HistoryPerson[]): Option[] {
  const agencies = new Map(
    people.map((person) => [person.agency_id, person.agency ?? '（いまは登録のない機関）']),
  );
  const accounts = new Map(
    people.map((person) => [
      person.account_id,
      `${person.name ?? '（いまは登録のない利用者）'}（${person.agency ?? '—'}）`,
    ]),
  );
  return [
    ...[...agencies].map(([id, name]) => ({ code: `agency:${id}`, label: `機関：${name}` })),
    ...[...accounts].map(([id, name]) => ({ code: `account:${id}`, label: name })),
  ];
}

interface Shared {
  base: string;
  definition: FormDefinition | undefined;
  references: HistoryProps['references'];
}

function Entry({ item, zone, base, ...shared }: Shared & { item: HistoryItem; zone: string }) {
  const table = item.row != null;
  return (
    <li className="timeline__entry">
      <div className="timeline__head">
        <span className="timeline__time number">{spanWords(item, zone)}</span>
        <span className="timeline__who">
          <Icon name={item.by ? 'person' : 'gear'} size="s" />
          <strong>{item.by ? (item.by.name ?? '（いまは登録のない利用者）') : 'システム'}</strong>
          {item.by?.agency && <span className="soft">{item.by.agency}</span>}
        </span>
        <span className="timeline__field">
          {item.field ? (
            <Link href={`${base}#${item.field}`}>{item.label}</Link>
          ) : (
            <span>いまはない行</span>
          )}
          {table && <span className="soft">{placeWords(item)}</span>}
        </span>
      </div>
      <ul className="timeline__parts">
        {item.parts.map((part) => (
          <li key={`${part.path}-${part.kind}`}>
            {part.label && <span className="timeline__column">{part.label}</span>}
            <Part part={part} {...shared} />
          </li>
        ))}
      </ul>
    </li>
  );
}

/** A moment that somebody kept, finalised or went back to, in its place among what was written. */
function Kept({
  version,
  versions,
  zone,
  base,
}: {
  version: Version;
  versions: readonly Version[];
  zone: string;
  base: string;
}) {
  const words = versionWords(version, zone, versions);
  return (
    <li className="timeline__entry timeline__entry--kept">
      <div className="timeline__head">
        <span className="timeline__time number">{timeWords(version.at, zone)}</span>
        <span className="timeline__who">
          <Icon
            name={version.kind === 'final' ? 'lock' : version.kind === 'restored' ? 'undo' : 'list'}
            size="s"
          />
          <strong>{version.kind === 'kept' ? `版「${words}」を残した` : words}</strong>
          <span className="soft">{personWords(version.by)}</span>
        </span>
        <Link className="timeline__field" href={`${base}/compare?from=${version.id}&to=${NOW}`}>
          いまとくらべる
        </Link>
      </div>
    </li>
  );
}

/** Which row: by its name, or by its present place. */
function placeWords(item: HistoryItem): string {
  if (item.row_number == null) return '（いまはない行）';
  return item.row_name ? `「${item.row_name}」` : `${item.row_number}行目`;
}

function Part({ part, definition, references }: Omit<Shared, 'base'> & { part: HistoryPart }) {
  switch (part.kind) {
    case 'row_added':
      return <Done tone="added">行を追加</Done>;
    case 'row_removed':
      return <Done tone="removed">行を削除</Done>;
    case 'moved':
      return <Done tone="changed">位置を移動</Done>;
    case 'value':
    case 'cleared':
      return <ValuePart part={part} definition={definition} references={references} />;
    case 'text':
      return (
        <>
          {part.inserted > 0 && (
            <>
              <Done tone="added">入力（{part.inserted}字）</Done>
              {part.words.length > 0 ? (
                <q className="timeline__words">
                  {part.words.map((word, index) => (
                    <Fragment key={index}>
                      {index > 0 && <span className="timeline__gap"> … </span>}
                      {word}
                    </Fragment>
                  ))}
                  {part.more && <span className="timeline__gap"> …（以下略）</span>}
                </q>
              ) : (
                <span className="soft">その後、すべて書き直されました。</span>
              )}
            </>
          )}
          {part.deleted > 0 && <Done tone="removed">削除（{part.deleted}字）</Done>}
        </>
      );
  }
}

function Done({
  tone,
  children,
}: {
  tone: 'added' | 'removed' | 'changed';
  children: React.ReactNode;
}) {
  const looks = {
    added: { tone: 'green', icon: 'plus' },
    removed: { tone: 'red', icon: 'minus' },
    changed: { tone: 'blue', icon: 'pencil' },
  } as const;
  return (
    <Tag small {...looks[tone]}>
      {children}
    </Tag>
  );
}

/** A choice, a date, a number; an option that was checked has the code in its path. */
function ValuePart({ part, definition, references }: Omit<Shared, 'base'> & { part: HistoryPart }) {
  const segments = part.path.split('/');
  const last = segments.at(-1) ?? '';
  const cell = definition ? fieldAt(definition, part.path) : null;
  const owner = definition && !cell ? fieldAt(definition, segments.slice(0, -1).join('/')) : null;
  if (owner?.type === 'multiselect' && definition) {
    const on = part.kind === 'value' && part.value !== false;
    return (
      <>
        <Done tone={on ? 'added' : 'removed'}>{on ? '選択' : '選択をやめた'}</Done>
        <span>{optionLabel(definition, owner, last)}</span>
      </>
    );
  }
  const words = valueWords(definition, part.path, part.value, references);
  if (part.kind === 'cleared')
    return (
      <>
        <Done tone="removed">{words === '' ? '値を消した' : '外した'}</Done>
        {words}
      </>
    );
  return (
    <>
      <Done tone="changed">記入</Done>
      {words === '' ? (
        <span className="soft">その後、別の値に変わりました。</span>
      ) : (
        <q className="timeline__words">{words}</q>
      )}
    </>
  );
}
