import { useSession } from '../../app/session';
import { NavTabs } from '../../ui';

/** 利用者／機関／項目の追加／開示のひな型／消去／監査ログ: only those one may open. */
export function AdminTabs({
  current,
}: {
  current: 'accounts' | 'agencies' | 'forms' | 'presets' | 'erasures' | 'audit';
}) {
  const { can } = useSession();
  const items = [
    {
      id: 'accounts',
      href: '/admin/accounts',
      label: '利用者と所属',
      shown: can('admin_accounts') || can('admin_own_agency'),
    },
    { id: 'agencies', href: '/admin/agencies', label: '機関', shown: can('admin_agencies') },
    { id: 'forms', href: '/admin/forms', label: '項目の追加', shown: can('admin_forms') },
    { id: 'presets', href: '/admin/presets', label: '開示のひな型', shown: can('admin_forms') },
    {
      id: 'erasures',
      href: '/admin/erasures',
      label: '消去',
      shown: can('erase_request') || can('read_audit'),
    },
    { id: 'audit', href: '/admin/audit', label: '監査ログ', shown: can('read_audit') },
  ].filter((item) => item.shown);
  if (items.length < 2) return null;
  return (
    <div className="admin-tabs">
      <NavTabs
        label="設定"
        items={items.map((item) => ({
          href: item.href,
          label: item.label,
          current: item.id === current,
        }))}
      />
    </div>
  );
}
