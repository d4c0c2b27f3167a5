import { useQueries, useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { DocumentInfo, Projection, Schema } from '../../api/types';
import type { PageProps } from '../../app/routes';
import { useSession } from '../../app/session';
import { useTitle } from '../../app/title';
import { useForm } from '../../forms/use-form';
import { problemText } from '../../i18n/problems';
import { Button, Empty, LinkButton, Notice, Progress } from '../../ui';
import { useCase } from '../cases/api';
import { useCourse } from '../cases/course/api';
import { sheetBase, useReferences } from '../cases/sheets';
import type { CaseDetail } from '../cases/api';
import { levelOf, ROUTES, urgency } from '../cases/vocabulary';
import { decided, saysAll } from './decided';
import { PaperSheet } from './PaperSheet';
import { receptionLines, type Reception } from './reception';
import './print.css';

/** 「印刷」: a sheet as it comes out on A4, at the level at which the reader may see it. */
export default function PrintPage({ params }: PageProps) {
  const id = params['documentId'] ?? '';
  const info = useQuery({
    queryKey: ['documents', id, 'info'],
    queryFn: ({ signal }) => api.get<DocumentInfo>(`documents/${id}`, undefined, signal),
  });
  const detail = useCase(info.data?.case_id ?? '');
  const error = info.error ?? detail.error;
  if (error)
    return (
      <Empty
        page
        icon="lock"
        title="この記録は印刷できません"
        action={<LinkButton href="/cases">事案の一覧へ</LinkButton>}
      >
        {problemText(error)}
      </Empty>
    );
  if (!info.data || !detail.data) return <Progress label="記録を読み込んでいます" />;
  return <Print info={info.data} detail={detail.data} />;
}

function Print({ info, detail }: { info: DocumentInfo; detail: CaseDetail }) {
  const { session } = useSession();
  const form = useForm(info.form, info.forms_version);
  const references = useReferences(detail);
  const course = useCourse(detail.id);
  useTitle(form.data ? `${form.data.title}（印刷）` : '印刷');
  const projection = useQuery({
    // Asked for once: every time it is asked for, the audit notes a print.
    queryKey: ['print', info.id],
    queryFn: ({ signal }) =>
      api.get<Projection>(`documents/${info.id}/projection`, { print: true }, signal),
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const reception = useReception(detail, info.section === 'intake');
  const error = form.error ?? projection.error ?? course.error ?? reception.error;
  if (error)
    return (
      <Notice tone="error" live>
        {problemText(error)}
      </Notice>
    );
  if (!form.data || !projection.data || !course.data || reception.pending)
    return <Progress label="印刷の準備をしています" />;
  const decision = course.data.decisions.find((one) => one.plan_document_id === info.id);
  const fields = decided(projection.data.fields, decision);
  const back = sheetBase(detail, info.section ?? '', info.id);
  const withheld = Object.values(projection.data.fields).some(
    (cell) =>
      cell.withheld || cell.rows?.some((row) => Object.values(row.cells).some((c) => c.withheld)),
  );
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
      {withheld && (
        <div className="no-print">
          <Notice tone="warning">
            印刷しない欄があります（住所秘匿、または伏せることばの確認中）。欄には「印刷しません」と入ります。
          </Notice>
        </div>
      )}
      {projection.data.notice === 'not_scanned' ? (
        <Notice tone="warning">伏せることばの検出が終わっていません。終わると印刷できます。</Notice>
      ) : (
        <PaperSheet
          definition={form.data}
          fields={fields}
          masked={projection.data.level === 'masked'}
          info={info}
          detail={detail}
          references={references}
          municipality={session.municipality.name}
          printedBy={session.account.name}
          printedAt={new Date()}
          zone={session.municipality.zone}
          reception={reception.value}
          decision={decision && !saysAll(fields, decision) ? decision : undefined}
        />
      )}
    </div>
  );
}

/** Asked for once, as the sheet itself. */
const ONCE = {
  staleTime: Infinity,
  gcTime: 0,
  refetchOnWindowFocus: false,
  refetchOnReconnect: false,
} as const;

/**
 * What the reception took down outside the sheet: the clients as the register shows them to this
 * reader, how the case came, how urgent it is. Whoever sees a client masked gets the name that stands
 * for them, and no register.
 */
function useReception(
  detail: CaseDetail,
  wanted: boolean,
): { value: Reception | undefined; pending: boolean; error: Error | null } {
  const clients = detail.persons.filter((person) => person.role === 'client');
  const open = clients.filter((person) => ['read', 'edit'].includes(levelOf(person.level)));
  const people = useQueries({
    queries: (wanted ? open : []).map((person) => ({
      queryKey: ['print', 'person', person.person_id],
      queryFn: () => api.get<Schema<'PersonAnswer'>>(`persons/${person.person_id}`),
      ...ONCE,
    })),
  });
  const assessment = detail.sections
    .find((section) => section.section === 'assessment' && levelOf(section.level) !== 'none')
    ?.sheets.at(-1)?.document_id;
  const route = useQuery({
    queryKey: ['print', 'route', assessment],
    queryFn: ({ signal }) =>
      api.get<Projection>(`documents/${assessment ?? ''}/projection`, { print: true }, signal),
    enabled: wanted && assessment !== undefined,
    ...ONCE,
  });
  const error = people.find((query) => query.error)?.error ?? route.error;
  const pending =
    wanted &&
    (people.some((query) => query.isPending) || (assessment !== undefined && route.isPending));
  if (!wanted || pending || error) return { value: undefined, pending, error: error ?? null };
  const came = route.data?.fields['route']?.value;
  const known = new Map(people.flatMap(({ data }) => (data ? [[data.id, data] as const] : [])));
  const value: Reception = {
    lines: [
      { label: '緊急性', value: urgency(detail.urgency).label },
      ...(typeof came === 'string' && came !== ''
        ? [
            {
              label: '相談の経路',
              value: ROUTES.find((entry) => entry.code === came)?.label ?? came,
            },
          ]
        : []),
      { label: '担当', value: detail.owner?.name ?? '' },
    ],
    clients: clients.map((client) => {
      const person = known.get(client.person_id);
      return {
        key: client.person_id,
        lines: person ? receptionLines(person) : [{ label: '氏名', value: client.display }],
      };
    }),
  };
  return { value, pending: false, error: null };
}
