/** The sheets of a case: opened, made when they are needed, with their past. */
import { useEffect, useMemo, useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useLocation } from 'wouter';
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { useSession } from '../../app/session';
import type { Values } from '../../forms/rules';
import { problemText } from '../../i18n/problems';
import { Button, Empty, LinkButton, Tag, useToast } from '../../ui';
import { DocumentHistory, type HistoryView } from '../history';
import { controlId, FinaliseButton, Finals, LiveSheet, PrintLink, useDocumentInfo } from '../sheet';
import { caseKeys, personName, useAgencies, type CaseDetail, type SectionInfo } from './api';
import { useCourse } from './course/api';
import { localDate, monthDay } from './dates';
import { QueryState } from './parts';
import { covers, levelOf, REPEATED, SECTION_FORMS, sectionLabel } from './vocabulary';

type SheetInfo = Schema<'SheetAnswer'>;

/** Address of a sheet within its case: repeated ones have their own. */
export function sheetBase(detail: CaseDetail, section: string, documentId: string): string {
  const tab = `/cases/${detail.id}/${section}`;
  return REPEATED.has(section) ? `${tab}/${documentId}` : tab;
}

/** 「第2回」 of a repeated sheet. */
export function sheetName(section: string, number: number | null | undefined): string {
  return REPEATED.has(section) && number != null
    ? `${sectionLabel(section)} 第${number}回`
    : sectionLabel(section);
}

/** Names for the people and agencies that fields refer to. */
export function useReferences(detail: CaseDetail) {
  const { session } = useSession();
  const agencies = useAgencies();
  return useMemo(() => {
    const users = new Map([[session.account.id, session.account.name]]);
    if (detail.owner?.id) users.set(detail.owner.id, detail.owner.name);
    for (const { charge } of detail.members) if (charge) users.set(charge.id, charge.name);
    const orgs = new Map(detail.members.map((member) => [member.agency.id, member.agency.name]));
    orgs.set(detail.owner_agency.id, detail.owner_agency.name);
    // The municipality's department hosts meetings and decides, whether it is a member or not.
    for (const agency of agencies.data?.items ?? [])
      if (agency.class === 'department' && agency.active) orgs.set(agency.id, agency.name);
    const choices = (map: ReadonlyMap<string, string>) =>
      [...map].map(([code, label]) => ({ code, label }));
    return {
      users: choices(users),
      orgs: choices(orgs),
      persons: detail.persons.flatMap((person) => [
        { code: person.person_id, label: personName(person) },
        // Sheets from before two entries were merged name the one that is no more.
        ...person.former_ids.map((code) => ({
          code,
          label: `${personName(person)}（統合前の登録）`,
        })),
      ]),
    };
  }, [detail, session.account, agencies.data]);
}

/** What conditions, checks and automatic fields of a sheet read of the case around it. */
export function outsideOf(detail: CaseDetail, number?: number | null): Values {
  const values: Record<string, unknown> = {
    'case.received_on': detail.received_on,
    'case.stage': detail.stage,
    'case.status': detail.stage,
    'sheet.case_no': detail.case_no,
  };
  const put = (name: string, value: string | null | undefined) => {
    if (value) values[name] = value;
  };
  put('case.closed_on', detail.closed_on);
  put('case.lead_agency', detail.lead_agency?.id);
  const consents = detail.consent.map(({ status }) => status);
  put('case.consent', consents.find((status) => !covers(status)) ?? consents[0]);
  const dates = (section: string) =>
    (detail.sections.find((one) => one.section === section)?.sheets ?? [])
      .filter(({ level }) => level === 'read' || level === 'edit')
      .flatMap(({ dated_on }) => (dated_on ? [dated_on] : []))
      .sort();
  put('case.screened_on', dates('screening')[0]);
  put('case.planned_on', dates('plan')[0]);
  put('case.meeting_on', dates('meeting')[0]);
  put('case.evaluated_on', dates('evaluation').at(-1));
  if (number != null) values['sheet.plan_no'] = number;
  return values;
}

/** Address of a document's history; masked readers have none. */
export function historyOf(
  detail: CaseDetail,
  section: SectionInfo,
  documentId: string,
): string | undefined {
  const level = levelOf(section.level);
  return level === 'read' || level === 'edit'
    ? `${sheetBase(detail, section.section, documentId)}/history`
    : undefined;
}

/** The newest sheet of a section. */
function newest(section: SectionInfo): SheetInfo | undefined {
  return section.sheets.at(-1);
}

/** The tab of a section with sheets: the one of the address, or the newest. */
export function SectionSheets({
  detail,
  section,
  item,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  item: string | undefined;
}) {
  const repeated = REPEATED.has(section.section);
  const asked = section.sheets.find((sheet) => sheet.document_id === item);
  const sheet = asked ?? (item === undefined || !repeated ? newest(section) : undefined);
  return (
    <>
      {repeated && section.sheets.length > 0 && (
        <SheetStrip detail={detail} section={section} current={sheet?.document_id} />
      )}
      {sheet ? (
        <SheetTab
          key={sheet.document_id}
          detail={detail}
          section={section}
          sheet={sheet}
          form={SECTION_FORMS[section.section] ?? ''}
        />
      ) : item !== undefined && repeated ? (
        <Empty
          icon="search"
          title="この記録はありません"
          action={
            <LinkButton href={`/cases/${detail.id}/${section.section}`}>
              {sectionLabel(section.section)}へ
            </LinkButton>
          }
        />
      ) : (
        <NoSheet detail={detail} section={section} />
      )}
    </>
  );
}

/** What each sheet is for, where there is none yet. */
const PURPOSES: Readonly<Record<string, string>> = {
  screening:
    'アセスメントをもとに、どこが・どう対応するか（助言、つなぎ、受理など）を決めて残します。',
  plan: 'めざす姿と、だれが・いつまでに・何をするかを書きます。再プランは第2回として別に残ります。',
  meeting: '支援会議・重層的支援会議などの記録です。出席者、結論、役割分担を残します。',
  evaluation: 'プランの達成状況と見られた変化を書き、再プラン・終結などを決めます。',
};

function NoSheet({ detail, section }: { detail: CaseDetail; section: SectionInfo }) {
  const name = sectionLabel(section.section);
  return (
    <Empty
      icon="doc"
      title={`「${name}」はまだありません`}
      action={section.may_create && <NewSheet detail={detail} section={section} primary />}
    >
      {PURPOSES[section.section]}
      {!section.may_create && ' 作れるのは、この記録を編集できる機関です。'}
    </Empty>
  );
}

/** The sheets of a repeated kind side by side, and the way to the next. */
function SheetStrip({
  detail,
  section,
  current,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  current: string | undefined;
}) {
  const { session } = useSession();
  const today = localDate(new Date(), session.municipality.zone);
  return (
    <nav className="sheet-strip no-print" aria-label={`${sectionLabel(section.section)}の一覧`}>
      <ol>
        {[...section.sheets].reverse().map((sheet) => (
          <li key={sheet.document_id}>
            <Link
              href={sheetBase(detail, section.section, sheet.document_id)}
              aria-current={sheet.document_id === current ? 'page' : undefined}
            >
              第{sheet.number}回
              {sheet.dated_on && <span className="number">{monthDay(sheet.dated_on, today)}</span>}
              <SheetState sheet={sheet} />
            </Link>
          </li>
        ))}
      </ol>
      {section.may_create && (
        <span className="sheet-strip__new">
          <NewSheet detail={detail} section={section} />
        </span>
      )}
    </nav>
  );
}

/** Whether a sheet is final. */
export function SheetState({ sheet }: { sheet: SheetInfo }) {
  return sheet.state === 'final' ? (
    <Tag tone="green" icon="lock">
      確定
    </Tag>
  ) : (
    <Tag tone="grey" icon="pencil">
      作成中
    </Tag>
  );
}

/** Makes the section's sheet, or its next one, and goes there. */
function NewSheet({
  detail,
  section,
  primary = false,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  primary?: boolean;
}) {
  const toast = useToast();
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const [busy, setBusy] = useState(false);
  const name = sectionLabel(section.section);
  const last = newest(section);
  const number = (last?.number ?? 0) + 1;
  // Two meetings may be under way at once, two plans may not.
  const waits = last?.state === 'draft' && section.section !== 'meeting';
  const make = async () => {
    setBusy(true);
    try {
      const made = await api.post<Schema<'CreatedSheet'>>(`cases/${detail.id}/sheets`, {
        form: SECTION_FORMS[section.section],
      });
      await client.invalidateQueries({ queryKey: caseKeys.detail(detail.id) });
      navigate(sheetBase(detail, section.section, made.document_id));
    } catch (error) {
      toast(problemText(error), { tone: 'error' });
      void client.invalidateQueries({ queryKey: caseKeys.detail(detail.id) });
    }
    setBusy(false);
  };
  const words = !REPEATED.has(section.section)
    ? `${name}を始める`
    : section.section === 'meeting'
      ? '会議の記録を作る'
      : `第${number}回の${name}を作る${section.section === 'plan' && number > 1 ? '（再プラン）' : ''}`;
  return (
    <Button
      icon="plus"
      size={primary ? 'm' : 's'}
      {...(primary ? { variant: 'primary' as const } : {})}
      busy={busy}
      reason={waits ? `第${last.number}回を確定すると、次を作れます。` : undefined}
      onClick={() => void make()}
    >
      {words}
    </Button>
  );
}

function SheetTab({
  detail,
  section,
  sheet,
  form,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  sheet: SheetInfo;
  form: string;
}) {
  const { can } = useSession();
  const root = useRef<HTMLDivElement>(null);
  useFieldOfAddress(root);
  const references = useReferences(detail);
  const documentId = sheet.document_id;
  const history = historyOf(detail, section, documentId);
  const outside = useMemo(() => outsideOf(detail, sheet.number), [detail, sheet.number]);
  const info = useDocumentInfo(documentId).data;
  const course = useCourse(detail.id);
  const decision = course.data?.decisions.find((one) => one.plan_document_id === documentId);
  const mayEdit = section.level === 'edit' && can('edit_case');
  const state = info?.state;
  const was = useRef(state);
  useEffect(() => {
    // What was being written in has gone: the reader is taken to the words that say why.
    if (was.current === 'draft' && state === 'final') {
      const heading = root.current?.querySelector('h2');
      heading?.setAttribute('tabindex', '-1');
      heading?.focus({ preventScroll: true });
      root.current?.scrollIntoView({ block: 'start' });
    }
    was.current = state;
  }, [state]);
  return (
    <div ref={root} className="case-main">
      {info && levelOf(info.level) !== 'masked' && <Finals info={info} mayEdit={mayEdit} />}
      <LiveSheet
        // A sheet that became final, or a draft again, is opened anew with what may be done now.
        key={info?.state === 'final' ? 'final' : 'draft'}
        documentId={documentId}
        formId={form}
        seenBy={section.seen_by}
        references={references}
        outside={outside}
        decision={decision}
        {...(history ? { history } : {})}
        aside={(connection, definition) => (
          <>
            <PrintLink documentId={documentId} />
            {detail.permissions.includes('review_masks') &&
              section.seen_by.some((entry) => entry.level === 'masked') && (
                <LinkButton
                  href={`/mask-reviews/${documentId}`}
                  size="s"
                  variant="quiet"
                  icon="mask"
                >
                  マスク確認
                </LinkButton>
              )}
            {mayEdit && (
              <FinaliseButton
                connection={connection}
                documentId={documentId}
                definition={definition}
                outside={outside}
              />
            )}
          </>
        )}
      />
    </div>
  );
}

/** The past of a sheet (or of 世帯・関係). */
export function SheetHistory({
  detail,
  section,
  documentId,
  view,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  documentId: string;
  view: HistoryView;
}) {
  const { can } = useSession();
  const references = useReferences(detail);
  const info = useDocumentInfo(documentId);
  if (!historyOf(detail, section, documentId)) return <NotDisclosed section={section.section} />;
  if (!info.data) return <QueryState query={info} what="記録" />;
  return (
    <DocumentHistory
      view={view}
      title={`「${sheetName(section.section, info.data.number)}」`}
      documentId={documentId}
      base={sheetBase(detail, section.section, documentId)}
      formId={SECTION_FORMS[section.section]}
      references={references}
      mayEdit={section.level === 'edit' && can('edit_case')}
      final={info.data.state === 'final'}
    />
  );
}

export function NotDisclosed({ section }: { section: string }) {
  return (
    <Empty icon="lock" title={`「${sectionLabel(section)}」は、あなたの機関には開示されていません`}>
      必要なときは、主担当に開示を相談してください。
    </Empty>
  );
}

/** Goes to the field named after # once the sheet is there; a deep link to one field. */
function useFieldOfAddress(root: React.RefObject<HTMLElement | null>): void {
  const [wanted, setWanted] = useState(() => decodeURIComponent(window.location.hash.slice(1)));
  useEffect(() => {
    if (wanted === '' || !root.current) return;
    const go = (): boolean => {
      const target = document.getElementById(controlId(wanted));
      if (!target) return false;
      target.scrollIntoView({ block: 'center' });
      target.focus({ preventScroll: true });
      setWanted('');
      return true;
    };
    if (go()) return;
    const watcher = new MutationObserver(() => go() && watcher.disconnect());
    watcher.observe(root.current, { childList: true, subtree: true });
    return () => watcher.disconnect();
  }, [wanted, root]);
}
