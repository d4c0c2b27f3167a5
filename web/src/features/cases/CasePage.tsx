import { useEffect, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { ApiError } from '../../api/client';
import { isTyping, useSingleKeys } from '../../app/keys';
import type { PageProps } from '../../app/routes';
import { useSession } from '../../app/session';
import { Empty, Icon, LinkButton, NavTabs, Tag, type IconName } from '../../ui';
import { rememberCase } from '../home/recent';
import { NetworkSection } from './NetworkSection';
import { PartnerOverview } from '../partner/PartnerOverview';
import { TranscriptsTab } from '../transcript/TranscriptsTab';
import { useCase, useCaseEvents, type CaseDetail, type SectionInfo } from './api';
import { ageText } from './dates';
import { FlowTab } from './course/FlowTab';
import { HistoryTab } from './HistoryTab';
import { RequestsTab } from '../requests/RequestsTab';
import { isHistoryView } from '../history';
import { OverviewTab } from './OverviewTab';
import { ConsentChip, FlagChip, MaskedWords, QueryState, StageSteps, UrgencyChip } from './parts';
import { ProgressTab } from './ProgressTab';
import { askToWrite } from './progress/shortcut';
import { Rail, SeenFold } from './SeenBy';
import { historyOf, NotDisclosed, SectionSheets, SheetHistory } from './sheets';
import { SharingTab } from './sharing/SharingTab';
import { SimilarTab } from '../similar/SimilarTab';
import { genderLabel, levelOf, LEVEL_LABELS, type Level } from './vocabulary';
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
  { id: 'flow', label: '流れ', shown: () => true },
  { id: 'requests', label: '依頼', shown: () => true },
  { id: 'intake', label: '受付', section: 'intake', shown: () => true },
  { id: 'assessment', label: 'アセスメント', section: 'assessment', shown: () => true },
  { id: 'network', label: '世帯・関係', section: 'network', shown: () => true },
  { id: 'screening', label: 'スクリーニング', section: 'screening', shown: () => true },
  { id: 'plan', label: 'プラン', section: 'plan', shown: () => true },
  { id: 'meeting', label: '会議', section: 'meeting', shown: () => true },
  { id: 'progress', label: '支援経過', section: 'progress', shown: () => true },
  { id: 'evaluation', label: '評価', section: 'evaluation', shown: () => true },
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
        page
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
      view={params['view']}
    />
  );
}

function CaseView({
  detail,
  tab,
  item,
  view,
}: {
  detail: CaseDetail;
  tab: string;
  item: string | undefined;
  view: string | undefined;
}) {
  const { session, can } = useSession();
  useCaseEvents(detail.id);
  useWriteKey(detail);
  useEffect(() => rememberCase(session.account.id, detail.id), [session.account.id, detail.id]);
  const tabs = TABS.filter((entry) => entry.shown(detail, can));
  const current = tabs.find((entry) => entry.id === tab) ?? tabs[0];
  const section = detail.sections.find((entry) => entry.section === current?.section);
  // Whoever writes an entry is told beside it who will see it.
  const writes = detail.permissions.includes('write_progress');
  const wide =
    current?.id === 'network' ||
    current?.id === 'flow' ||
    current?.id === 'requests' ||
    current?.id === 'transcripts' ||
    current?.id === 'sharing' ||
    current?.id === 'history' ||
    current?.id === 'similar' ||
    // These show the agencies themselves.
    (current?.id === 'overview' && detail.level !== 'masked') ||
    (current?.id === 'progress' && writes);
  return (
    <>
      <CaseHead detail={detail} small={current?.id !== 'overview'}>
        <NavTabs
          whole
          label="事案の記録"
          items={tabs.map((entry) => {
            const level = detail.sections.find((other) => other.section === entry.section)?.level;
            return {
              href: `/cases/${detail.id}/${entry.id}`,
              label: entry.label,
              current: entry.id === current?.id,
              ...(entry.section
                ? { aside: <LevelMark level={levelOf(level)} short={entry.id !== current?.id} /> }
                : {}),
            };
          })}
        />
      </CaseHead>
      <div className={wide ? 'case-body case-body--wide' : 'case-body'}>
        <div className="case-main">
          {section &&
            levelOf(section.level) !== 'none' &&
            !(section.section === 'progress' && writes) && (
              <SeenFold detail={detail} section={section} always={wide} />
            )}
          {!current || current.id !== tab ? (
            <Empty
              icon="search"
              title="この表示はありません"
              action={<LinkButton href={`/cases/${detail.id}/overview`}>概要へ</LinkButton>}
            />
          ) : (
            <TabContent tab={current} detail={detail} section={section} item={item} view={view} />
          )}
        </div>
        {!wide && current && <Rail detail={detail} section={section} />}
      </div>
    </>
  );
}

/** 「n」: from any tab of the case straight into a new entry. */
function useWriteKey(detail: CaseDetail): void {
  const [keys] = useSingleKeys();
  const [, navigate] = useLocation();
  const writable = detail.permissions.includes('write_progress');
  useEffect(() => {
    if (!keys || !writable) return;
    const write = (event: KeyboardEvent): void => {
      if (event.key !== 'n' || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.isComposing || isTyping(event.target)) return;
      event.preventDefault();
      navigate(`/cases/${detail.id}/progress`);
      askToWrite(detail.id);
    };
    document.addEventListener('keydown', write);
    return () => document.removeEventListener('keydown', write);
  }, [keys, writable, detail.id, navigate]);
}

function TabContent({
  tab,
  detail,
  section,
  item,
  view,
}: {
  tab: Tab;
  detail: CaseDetail;
  section: SectionInfo | undefined;
  item: string | undefined;
  view: string | undefined;
}) {
  if (tab.section && levelOf(section?.level) === 'none')
    return <NotDisclosed section={tab.section} />;
  // `…/plan/{id}/history`, and `…/intake/history` of sections with one document.
  const past = isHistoryView(view) ? view : isHistoryView(item) ? item : undefined;
  const document = view === undefined ? section?.document_id : item;
  if (past && section && document)
    return <SheetHistory detail={detail} section={section} documentId={document} view={past} />;
  switch (tab.id) {
    case 'intake':
    case 'assessment':
    case 'screening':
    case 'plan':
    case 'meeting':
    case 'evaluation':
      return section ? (
        <SectionSheets detail={detail} section={section} item={item} />
      ) : (
        <NotDisclosed section={tab.id} />
      );
    case 'network':
      return section?.document_id ? (
        <NetworkSection
          detail={detail}
          section={section}
          documentId={section.document_id}
          history={historyOf(detail, section, section.document_id)}
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
    case 'flow':
      return <FlowTab detail={detail} />;
    case 'requests':
      return <RequestsTab detail={detail} />;
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

const MARKS: Readonly<Record<Level, IconName>> = {
  none: 'lock',
  masked: 'mask',
  read: 'eye',
  edit: 'pencil',
};

function LevelMark({ level, short }: { level: Level; short: boolean }) {
  return (
    <span className={`level-mark level-mark--${level}`} title={LEVEL_LABELS[level]}>
      <Icon name={MARKS[level]} size="s" />
      <span className={short ? 'visually-hidden' : undefined}>{LEVEL_LABELS[level]}</span>
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
  const { can } = useSession();
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
              {can('export_cases') && (
                <LinkButton
                  href={`/exchange/export?case=${detail.id}`}
                  size="s"
                  variant="quiet"
                  icon="download"
                >
                  CSVに書き出す
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
