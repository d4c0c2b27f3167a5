import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { ApiError } from '../../api/client';
import type { PageProps } from '../../app/routes';
import { useSession } from '../../app/session';
import { Empty, Icon, LinkButton, NavTabs, Tag, type IconName } from '../../ui';
import { rememberCase } from '../home/recent';
import { NetworkSection } from './NetworkSection';
import { PartnerOverview } from '../partner/PartnerOverview';
import { controlId, FinaliseButton, Finals, LiveSheet, useDocumentInfo } from '../sheet';
import { TranscriptsTab } from '../transcript/TranscriptsTab';
import { personName, useCase, useCaseEvents, type CaseDetail, type SectionInfo } from './api';
import { ageText } from './dates';
import { HistoryTab } from './HistoryTab';
import { DocumentHistory, isHistoryView, type HistoryView } from '../history';
import { OverviewTab } from './OverviewTab';
import { ConsentChip, FlagChip, MaskedWords, QueryState, StageSteps, UrgencyChip } from './parts';
import { ProgressTab } from './ProgressTab';
import { Rail, SeenFold } from './SeenBy';
import { SharingTab } from './sharing/SharingTab';
import { SimilarTab } from '../similar/SimilarTab';
import { genderLabel, levelOf, LEVEL_LABELS, sectionLabel, type Level } from './vocabulary';
import './cases.css';

interface Tab {
  id: string;
  label: string;
  /** The section whose disclosure governs the tab. */
  section?: string;
  shown: (detail: CaseDetail, can: (permission: string) => boolean) => boolean;
}

const TABS: readonly Tab[] = [
  { id: 'overview', label: '概要', shown: () => true },
  { id: 'intake', label: '受付', section: 'intake', shown: () => true },
  { id: 'assessment', label: 'アセスメント', section: 'assessment', shown: () => true },
  { id: 'network', label: '世帯・関係', section: 'network', shown: () => true },
  { id: 'progress', label: '支援経過', section: 'progress', shown: () => true },
  { id: 'similar', label: '類似事案', shown: (_, can) => can('read_similar') },
  { id: 'transcripts', label: '文字起こし', shown: (detail) => detail.level === 'edit' },
  {
    id: 'sharing',
    label: '同意・共有',
    shown: (detail) => detail.level === 'edit' || detail.level === 'read',
  },
  {
    id: 'history',
    label: '履歴',
    shown: (detail) => detail.level === 'edit' || detail.level === 'read',
  },
];

/** 「事案」: head, stage steps, tabs with their level, the tab itself, and who can see it. */
export default function CasePage({ params }: PageProps) {
  const id = params['caseId'] ?? '';
  const query = useCase(id);
  // A failed refetch keeps the old data: a right that was taken away counts more.
  const gone =
    query.error instanceof ApiError && (query.error.status === 404 || query.error.status === 403);
  if (gone || !query.data) {
    return gone ? (
      <Empty
        icon="lock"
        title="この事案は表示できません"
        action={<LinkButton href="/cases">事案の一覧へ</LinkButton>}
      >
        あなたの機関に開示されていないか、開示が終わっています。必要なときは主担当にご相談ください。
      </Empty>
    ) : (
      <>
        <h1 tabIndex={-1}>事案</h1>
        <QueryState query={query} what="事案" />
      </>
    );
  }
  return (
    <CaseView
      key={id}
      detail={query.data}
      tab={params['tab'] ?? 'overview'}
      item={params['itemId']}
    />
  );
}

function CaseView({
  detail,
  tab,
  item,
}: {
  detail: CaseDetail;
  tab: string;
  item: string | undefined;
}) {
  const { session, can } = useSession();
  useCaseEvents(detail.id);
  useEffect(() => rememberCase(session.account.id, detail.id), [session.account.id, detail.id]);
  const tabs = TABS.filter((entry) => entry.shown(detail, can));
  const current = tabs.find((entry) => entry.id === tab) ?? tabs[0];
  const section = detail.sections.find((entry) => entry.section === current?.section);
  const wide =
    current?.id === 'network' ||
    current?.id === 'transcripts' ||
    current?.id === 'sharing' ||
    current?.id === 'similar';
  return (
    <>
      <CaseHead detail={detail} small={current?.id !== 'overview'}>
        <NavTabs
          label="事案の記録"
          items={tabs.map((entry) => {
            const level = detail.sections.find((other) => other.section === entry.section)?.level;
            return {
              href: `/cases/${detail.id}/${entry.id}`,
              label: entry.label,
              current: entry.id === current?.id,
              ...(entry.section ? { aside: <LevelMark level={levelOf(level)} /> } : {}),
            };
          })}
        />
      </CaseHead>
      <div className={wide ? 'case-body case-body--wide' : 'case-body'}>
        <div className="case-main">
          {section && levelOf(section.level) !== 'none' && (
            <SeenFold detail={detail} section={section} always={wide} />
          )}
          {!current || current.id !== tab ? (
            <Empty
              icon="search"
              title="この表示はありません"
              action={<LinkButton href={`/cases/${detail.id}/overview`}>概要へ</LinkButton>}
            />
          ) : (
            <TabContent tab={current} detail={detail} section={section} item={item} />
          )}
        </div>
        {!wide && current && <Rail detail={detail} section={section} />}
      </div>
    </>
  );
}

function TabContent({
  tab,
  detail,
  section,
  item,
}: {
  tab: Tab;
  detail: CaseDetail;
  section: SectionInfo | undefined;
  item: string | undefined;
}) {
  if (tab.section && levelOf(section?.level) === 'none')
    return <NotDisclosed section={tab.section} />;
  if (isHistoryView(item) && section?.document_id && WITH_HISTORY.has(tab.id))
    return (
      <SheetHistory
        detail={detail}
        section={section}
        tab={tab}
        documentId={section.document_id}
        view={item}
      />
    );
  switch (tab.id) {
    case 'intake':
    case 'assessment':
      return section?.document_id ? (
        <SheetTab
          detail={detail}
          section={section}
          tab={tab.id}
          documentId={section.document_id}
          form={FORMS[tab.id] ?? ''}
        />
      ) : (
        <NotDisclosed section={tab.id} />
      );
    case 'network':
      return section?.document_id ? (
        <NetworkSection
          detail={detail}
          section={section}
          documentId={section.document_id}
          history={historyOf(detail, section, 'network')}
        />
      ) : (
        <NotDisclosed section={tab.id} />
      );
    case 'progress':
      return <ProgressTab detail={detail} section={section} item={item} />;
    case 'similar':
      return <SimilarTab caseId={detail.id} />;
    case 'transcripts':
      return <TranscriptsTab detail={detail} />;
    case 'sharing':
      return <SharingTab detail={detail} part={item} />;
    case 'history':
      return <HistoryTab detail={detail} />;
    default:
      return detail.level === 'masked' ? (
        <PartnerOverview detail={detail} />
      ) : (
        <OverviewTab detail={detail} />
      );
  }
}

const FORMS: Readonly<Record<string, string>> = {
  intake: 'intake_application',
  assessment: 'intake_assessment',
};

/** Tabs that are one document with a past. */
const WITH_HISTORY = new Set(['intake', 'assessment', 'network']);

/** Address of a document's history; masked readers have none. */
function historyOf(detail: CaseDetail, section: SectionInfo, tab: string): string | undefined {
  const level = levelOf(section.level);
  return level === 'read' || level === 'edit' ? `/cases/${detail.id}/${tab}/history` : undefined;
}

/** Names for the people and agencies that fields refer to. */
function useReferences(detail: CaseDetail) {
  const { session } = useSession();
  return useMemo(() => {
    const users = new Map([[session.account.id, session.account.name]]);
    if (detail.owner?.id) users.set(detail.owner.id, detail.owner.name);
    return {
      users: [...users].map(([code, label]) => ({ code, label })),
      orgs: detail.members.map((member) => ({ code: member.agency.id, label: member.agency.name })),
      persons: detail.persons.map((person) => ({
        code: person.person_id,
        label: personName(person),
      })),
    };
  }, [detail, session.account]);
}

function SheetHistory({
  detail,
  section,
  tab,
  documentId,
  view,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  tab: Tab;
  documentId: string;
  view: HistoryView;
}) {
  const { can } = useSession();
  const references = useReferences(detail);
  const info = useDocumentInfo(documentId);
  if (!historyOf(detail, section, tab.id)) return <NotDisclosed section={tab.id} />;
  if (!info.data) return <QueryState query={info} what="記録" />;
  return (
    <DocumentHistory
      view={view}
      title={`「${tab.label}」`}
      documentId={documentId}
      base={`/cases/${detail.id}/${tab.id}`}
      formId={FORMS[tab.id]}
      references={references}
      mayEdit={section.level === 'edit' && can('edit_case')}
      final={info.data.state === 'final'}
    />
  );
}

function NotDisclosed({ section }: { section: string }) {
  return (
    <Empty icon="lock" title={`「${sectionLabel(section)}」は、あなたの機関には開示されていません`}>
      必要なときは、主担当に開示を相談してください。
    </Empty>
  );
}

const MARKS: Readonly<Record<Level, IconName>> = {
  none: 'lock',
  masked: 'mask',
  read: 'eye',
  edit: 'pencil',
};

function LevelMark({ level }: { level: Level }) {
  return (
    <span className={`level-mark level-mark--${level}`}>
      <Icon name={MARKS[level]} size="s" />
      {LEVEL_LABELS[level]}
    </span>
  );
}

function CaseHead({
  detail,
  small,
  children,
}: {
  detail: CaseDetail;
  small: boolean;
  children: ReactNode;
}) {
  const masked = detail.level === 'masked';
  const consents = new Map(detail.consent.map((entry) => [entry.person_id, entry.status]));
  const flags = [...new Set(detail.flags)];
  return (
    <header className={small ? 'case-head case-head--small' : 'case-head'}>
      <div className="case-head__row">
        <p className="case-head__no">
          事案番号<b>{detail.case_no}</b>
        </p>
        <h1 tabIndex={-1}>
          {detail.clients.map((client) => {
            const status = consents.get(client.person_id);
            return (
              <span key={client.person_id} className="case-head__person">
                <span>
                  {client.display}
                  <small>
                    {'さん　'}
                    {[ageText(client), genderLabel(client.gender)].filter(Boolean).join('・')}
                  </small>
                </span>
                {status && (
                  <span>
                    <ConsentChip status={status} />
                  </span>
                )}
              </span>
            );
          })}
          {detail.clients.length === 0 && <span>対象者の表示なし</span>}
        </h1>
        <div className="case-head__flags">
          <UrgencyChip code={detail.urgency} long />
          {flags.map((code) => (
            <FlagChip key={code} code={code} />
          ))}
          {masked && <MaskedWords />}
          {detail.title && <span className="soft">{detail.title}</span>}
        </div>
        <div className="case-head__side no-print">
          {masked ? (
            <Tag tone="blue" icon="info">
              あなたの見え方：マスク済み閲覧
            </Tag>
          ) : (
            <span className="row">
              {detail.permissions.includes('manage_disclosure') && (
                <LinkButton
                  href={`/cases/${detail.id}/sharing/view-as`}
                  size="s"
                  variant="quiet"
                  icon="eye"
                >
                  見え方の確認
                </LinkButton>
              )}
              {detail.permissions.includes('manage_members') && (
                <LinkButton href={`/cases/${detail.id}/sharing`} size="s" icon="link">
                  共有の設定
                </LinkButton>
              )}
            </span>
          )}
        </div>
      </div>
      <StageSteps stage={detail.stage} consents={detail.consent} />
      {children}
    </header>
  );
}

function SheetTab({
  detail,
  section,
  tab,
  documentId,
  form,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  tab: string;
  documentId: string;
  form: string;
}) {
  const { can } = useSession();
  const root = useRef<HTMLDivElement>(null);
  useFieldOfAddress(root);
  const references = useReferences(detail);
  const history = historyOf(detail, section, tab);
  const outside = useMemo(
    () => ({
      'case.received_on': detail.received_on,
      'case.stage': detail.stage,
      'case.status': detail.stage,
    }),
    [detail.received_on, detail.stage],
  );
  const info = useDocumentInfo(documentId).data;
  const mayEdit = section.level === 'edit' && can('edit_case');
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
        {...(history ? { history } : {})}
        aside={(connection, definition) => (
          <>
            {mayEdit && (
              <FinaliseButton
                connection={connection}
                documentId={documentId}
                definition={definition}
                outside={outside}
              />
            )}
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
          </>
        )}
      />
    </div>
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
