import { useLocation } from 'wouter';
import { useSession } from '../../../app/session';
import { Tabs } from '../../../ui';
import type { CaseDetail } from '../api';
import { AccessLog } from '../HistoryTab';
import { Consents } from './Consents';
import { DisclosureEditor } from './Disclosure';
import { Members } from './Members';
import { Passed } from './Passed';
import { ViewAs } from './ViewAs';

/**
 * 「同意・共有」: consents, agencies, what each may see, how it looks to them, who looked. `part`
 * stands in the address, so that every sub-tab can be linked to.
 */
export function SharingTab({ detail, part }: { detail: CaseDetail; part: string | undefined }) {
  const [, navigate] = useLocation();
  const { session } = useSession();
  const department = session.membership.role.startsWith('department');
  return (
    <Tabs
      label="同意・共有"
      selected={part ?? 'consents'}
      onSelect={(id) => navigate(`/cases/${detail.id}/sharing/${id}`)}
      items={[
        { id: 'consents', label: '本人の同意', content: <Consents detail={detail} /> },
        { id: 'members', label: '支援機関', content: <Members detail={detail} /> },
        { id: 'matrix', label: '開示の設定', content: <DisclosureEditor detail={detail} /> },
        { id: 'view-as', label: '見え方の確認', content: <ViewAs detail={detail} /> },
        ...(detail.permissions.includes('manage_consent') || department
          ? [{ id: 'passed', label: '渡った範囲', content: <Passed detail={detail} /> }]
          : []),
        { id: 'log', label: '閲覧履歴', content: <AccessLog detail={detail} /> },
      ]}
    />
  );
}
