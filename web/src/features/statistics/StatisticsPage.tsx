import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, apiUrl, fetchText } from '../../api/client';
import type { Schema } from '../../api/types';
import { SaveLink, useSave } from '../../app/saving';
import { useSession } from '../../app/session';
import {
  Button,
  Card,
  Drawing,
  Empty,
  Icon,
  Menu,
  Notice,
  PageHead,
  Progress,
  RadioGroup,
  Table,
  Unverified,
} from '../../ui';
import { localDate, wareki } from '../cases/dates';
import { QueryState } from '../cases/parts';
import { chartText, monthLabel, periodError, periods, pivot, type Period } from './table';
import './statistics.css';

type By = 'route' | 'issue';

const BY: Readonly<Record<By, { title: string; noun: string }>> = {
  route: { title: '相談経路別の新規相談受付件数', noun: '相談経路別' },
  issue: { title: '課題別の新規相談受付件数', noun: '課題別' },
};

type Answer = Schema<'NewConsultationsAnswer'>;

/** 「統計」: the definition before the figures, a chart and the same figures as a table. */
export default function StatisticsPage() {
  const { session } = useSession();
  const save = useSave();
  const today = localDate(new Date(), session.municipality.zone);
  const named = periods(today);
  const [by, setBy] = useState<By>('route');
  const [period, setPeriod] = useState<Period>(
    named[3]?.period ?? { from: today.slice(0, 7), to: today.slice(0, 7) },
  );
  const problem = periodError(period);
  const query = useQuery({
    queryKey: ['statistics', 'new-consultations', by, period.from, period.to],
    queryFn: ({ signal }) =>
      api.get<Answer>('statistics/new-consultations', { ...period, by }, signal),
    enabled: problem === null,
    placeholderData: keepPreviousData,
  });
  const table = query.data ? pivot(query.data.rows, period.from, period.to) : null;
  const perMonth = query.data?.months;
  const totals =
    table && perMonth
      ? table.months.map((month) => perMonth.find((entry) => entry.month === month)?.cases ?? 0)
      : (table?.totals ?? []);
  const totalLabel = by === 'issue' && perMonth ? '相談の実数' : '合計';
  const address = (path: string, more: Record<string, string> = {}): string =>
    apiUrl(`statistics/new-consultations${path}`, { ...period, by, ...more }).href;
  const file = `新規相談_${BY[by].noun}_${period.from}_${period.to}`;

  return (
    <>
      <PageHead
        title="統計"
        lead={`${session.municipality.name}　新規相談受付`}
        actions={
          problem === null && (
            <>
              <Menu
                label={
                  <>
                    <Icon name="download" />
                    CSVを保存
                    <Icon name="down" size="s" />
                  </>
                }
                className="button button--secondary button--m"
                entries={[
                  {
                    id: 'utf8',
                    label: 'UTF-8（BOM付き）',
                    support: 'いまのExcelや他のソフト向け',
                    icon: 'download',
                    onSelect: () => save(address('.csv', { encoding: 'utf-8-bom' }), `${file}.csv`),
                  },
                  {
                    id: 'cp932',
                    label: 'Shift_JIS（CP932）',
                    support: '古いExcel・庁内システム向け',
                    icon: 'download',
                    onSelect: () =>
                      save(address('.csv', { encoding: 'cp932' }), `${file}_cp932.csv`),
                  },
                ]}
              />
              <SaveLink href={address('/chart.svg')} name={`${file}.svg`} icon="download">
                グラフ（SVG）
              </SaveLink>
              <SaveLink href={address('/chart.png')} name={`${file}.png`} icon="download">
                グラフ（PNG）
              </SaveLink>
              <Button icon="print" onClick={() => window.print()}>
                印刷
              </Button>
            </>
          )
        }
      />
      <div className="statistics">
        <div className="no-print">
          <Card title="数えるもの・期間" icon="calendar">
            <div className="statistics__choice">
              <RadioGroup
                label="数え方"
                required
                options={[
                  { code: 'route', label: '相談経路別' },
                  { code: 'issue', label: '課題別（複数計上）' },
                ]}
                value={by}
                onChange={(code) => setBy(code === 'issue' ? 'issue' : 'route')}
              />
              <div>
                <div className="statistics__months">
                  <MonthField
                    label="はじめの月"
                    value={period.from}
                    invalid={problem !== null}
                    onChange={(from) => setPeriod({ ...period, from })}
                  />
                  <span aria-hidden="true">〜</span>
                  <MonthField
                    label="終わりの月"
                    value={period.to}
                    invalid={problem !== null}
                    onChange={(to) => setPeriod({ ...period, to })}
                  />
                </div>
                <div role="alert">{problem && <p className="statistics__error">{problem}</p>}</div>
                <div className="row" role="group" aria-label="期間をまとめて選ぶ">
                  {named.map((entry) => (
                    <Button
                      key={entry.code}
                      size="s"
                      variant="quiet"
                      aria-pressed={
                        entry.period.from === period.from && entry.period.to === period.to
                      }
                      onClick={() => setPeriod(entry.period)}
                    >
                      {entry.label}
                    </Button>
                  ))}
                </div>
              </div>
            </div>
          </Card>
        </div>
        <Card
          title={
            <>
              {BY[by].title}
              {query.data && !query.data.definition.verified && <Unverified />}
            </>
          }
          icon="chart"
        >
          {!query.data && problem === null && <QueryState query={query} what="統計" />}
          {query.data && query.isError && <QueryState query={query} what="最新の統計" />}
          <p className="print-only">
            {session.municipality.name}　{monthLabel(period.from)}〜{monthLabel(period.to)}　
            {wareki(today)} 印刷
          </p>
          {query.data && table && (
            <div className="stack--wide" aria-busy={query.isFetching}>
              <DefinitionNotice answer={query.data} />
              {query.data.total_cases === 0 ? (
                <Empty icon="chart" title="この期間に受け付けた相談はありません">
                  期間を広げるか、受付日が登録されているか確かめてください。
                </Empty>
              ) : (
                <>
                  <Chart by={by} period={period} text={chartText(table, BY[by].noun)} />
                  <Table
                    caption={`${BY[by].title}（${monthLabel(period.from)}〜${monthLabel(period.to)}）`}
                    dense
                    rows={[
                      ...table.lines,
                      { category: '__total', label: totalLabel, counts: totals, total: null },
                    ]}
                    rowKey={(line) => line.category}
                    columns={[
                      {
                        key: 'label',
                        head: BY[by].noun.replace('別', ''),
                        header: true,
                        cell: (line) =>
                          line.category === '__total' ? <strong>{totalLabel}</strong> : line.label,
                      },
                      ...table.months.map((month, index) => ({
                        key: month,
                        head: <span className="nowrap">{shortMonth(month, index)}</span>,
                        number: true,
                        cell: (line: (typeof table.lines)[number]) =>
                          countText(line.counts[index], line.category === '__total'),
                      })),
                      {
                        key: 'total',
                        head: '計',
                        number: true,
                        cell: (line) => (
                          <strong>
                            {line.category === '__total'
                              ? grand(totals)
                              : countText(line.total, true)}
                          </strong>
                        ),
                      },
                    ]}
                  />
                  <p className="soft">
                    この期間の新規相談　実数{' '}
                    <strong className="number">{query.data.total_cases}</strong> 件
                    {by === 'issue' &&
                      '（1件の相談に課題が複数あるため、合計は実数と一致しません）'}
                  </p>
                </>
              )}
            </div>
          )}
        </Card>
      </div>
    </>
  );
}

function DefinitionNotice({ answer }: { answer: Answer }) {
  const { definition } = answer;
  return (
    <Notice title="数え方">
      <p>{definition.text}</p>
      {!definition.verified && (
        <p>
          国の報告様式との照合が済んでいないため「未検証」です。提出前に定義を確かめてください。
        </p>
      )}
    </Notice>
  );
}

/** The server's picture; when it fails the table below still says everything. */
/** The server's chart; `text` says what it shows. */
function Chart({ by, period, text }: { by: By; period: Period; text: string }) {
  const chart = useQuery({
    queryKey: ['statistics', 'new-consultations', by, period.from, period.to, 'chart.svg'],
    queryFn: ({ signal }) =>
      fetchText('statistics/new-consultations/chart.svg', { ...period, by }, signal),
    placeholderData: keepPreviousData,
  });
  if (chart.isError)
    return (
      <Notice
        tone="warning"
        title="グラフを表示できませんでした"
        actions={
          <Button size="s" icon="refresh" onClick={() => void chart.refetch()}>
            もう一度表示する
          </Button>
        }
      >
        同じ数値が下の表にあります。
      </Notice>
    );
  return (
    <figure className="statistics__chart">
      {chart.data === undefined ? (
        <Progress label="グラフを読み込んでいます" />
      ) : (
        <Drawing svg={chart.data} label={text} />
      )}
    </figure>
  );
}

/** A native month field where the browser has one; text `YYYY-MM` elsewhere. */
function MonthField({
  label,
  value,
  invalid,
  onChange,
}: {
  label: string;
  value: string;
  invalid: boolean;
  onChange: (month: string) => void;
}) {
  return (
    <label className="statistics__month">
      <span>{label}</span>
      <input
        type="month"
        className="input"
        value={value}
        aria-invalid={invalid || undefined}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

function shortMonth(month: string, index: number): string {
  const [year = '', number = ''] = month.split('-');
  return index === 0 || number === '01' ? `${year}/${Number(number)}` : `${Number(number)}月`;
}

function countText(count: number | null | undefined, strong: boolean) {
  if (count === null)
    return (
      <abbr title="少数のため秘匿" className="nowrap">
        X
      </abbr>
    );
  const text = count ?? 0;
  return strong ? <strong>{text}</strong> : text === 0 ? <span className="soft">0</span> : text;
}

function grand(totals: readonly (number | null)[]): string {
  return totals.some((total) => total === null)
    ? 'X'
    : String(totals.reduce<number>((sum, total) => sum + (total ?? 0), 0));
}
