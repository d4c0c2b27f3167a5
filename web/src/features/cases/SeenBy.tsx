import { Link } from 'wouter';
import { useSession } from '../../app/session';
import { Card, Icon, LevelTag } from '../../ui';
import type { CaseDetail, SectionInfo } from './api';
import { levelOf } from './vocabulary';

/** Right of what one writes: who can see it. Narrow screens have {@link SeenFold} instead. */
export function Rail({
  detail,
  section,
}: {
  detail: CaseDetail;
  section: SectionInfo | undefined;
}) {
  return (
    <aside
      className={section ? 'rail rail--seen no-print' : 'rail no-print'}
      aria-label="この記録について"
    >
      {section ? (
        <Card title="この記録を見られる機関" icon="eye" aside={<ChangeLink detail={detail} />}>
          <SeenList detail={detail} section={section} />
        </Card>
      ) : (
        <Card title="支援機関" icon="people">
          <ul className="seen-by">
            {detail.members.map((member) => (
              <li key={member.agency.id}>
                <span>{member.agency.name}</span>
                {member.charge && <span className="soft">{member.charge.name}</span>}
              </li>
            ))}
          </ul>
        </Card>
      )}
    </aside>
  );
}

/** The same above what one writes, folded; `always` where there is no rail on any screen. */
export function SeenFold({
  detail,
  section,
  always,
}: {
  detail: CaseDetail;
  section: SectionInfo;
  always: boolean;
}) {
  const seen = section.seen_by.filter((entry) => entry.level !== 'none');
  return (
    <details className={always ? 'seen-fold no-print' : 'seen-fold seen-fold--narrow no-print'}>
      <summary>
        <Icon name="eye" size="s" /> この記録を見られる機関
        {detail.level !== 'masked' && `（${seen.length}）`}
      </summary>
      <div className="seen-fold__body">
        <SeenList detail={detail} section={section} />
        <ChangeLink detail={detail} />
      </div>
    </details>
  );
}

function ChangeLink({ detail }: { detail: CaseDetail }) {
  if (!detail.permissions.includes('manage_disclosure')) return null;
  return <Link href={`/cases/${detail.id}/sharing/matrix`}>変える</Link>;
}

function SeenList({ detail, section }: { detail: CaseDetail; section: SectionInfo }) {
  const { session } = useSession();
  const hidden = detail.members.filter(
    (member) => !section.seen_by.some((entry) => entry.agency_id === member.agency.id),
  );
  if (section.seen_by.length === 0)
    return (
      <p className="soft">
        {detail.level === 'masked'
          ? 'マスク済みの閲覧では、ほかの機関の見え方は表示されません。'
          : 'ほかの機関には開示していません。'}
      </p>
    );
  return (
    <ul className="seen-by">
      {section.seen_by.map((entry) => (
        <li key={entry.agency_id}>
          <span>
            {entry.name}
            {entry.agency_id === session.membership.agency.id && (
              <span className="soft">（自機関）</span>
            )}
          </span>
          <LevelTag level={levelOf(entry.level)} />
        </li>
      ))}
      {hidden.map((member) => (
        <li key={member.agency.id}>
          <span>{member.agency.name}</span>
          <LevelTag level="none" />
        </li>
      ))}
    </ul>
  );
}
