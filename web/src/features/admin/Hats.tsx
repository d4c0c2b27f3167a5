import { labelOf, ROLES } from '../../i18n/glossary';
import { Menu, Tag } from '../../ui';
import type { Account, Membership } from './api';

/** The hats of an account, each with its own menu. */
export function Hats({
  account,
  list,
  today,
  onEdit,
  onAsk,
}: {
  account: Account;
  list: readonly Membership[];
  today: string;
  onEdit: (membership: Membership) => void;
  onAsk: (kind: 'membership-stop' | 'membership-reactivate', membership: Membership) => void;
}) {
  if (list.length === 0)
    return (
      <Tag tone="orange" icon="warning" small>
        所属なし（サインインできません）
      </Tag>
    );
  return (
    <ul className="hats">
      {list.map((entry) => {
        const over =
          entry.valid_to !== null && entry.valid_to !== undefined && entry.valid_to < today;
        return (
          <li key={entry.id}>
            <span>
              {entry.agency.name}
              <span className="soft">
                {'　'}
                {labelOf(ROLES, entry.role)}　{entry.valid_from.replaceAll('-', '/')}〜
                {entry.valid_to?.replaceAll('-', '/') ?? ''}
              </span>
              {(over || !entry.active) && (
                <>
                  {' '}
                  <Tag tone="grey" small>
                    {entry.active ? '期間終了' : '停止中'}
                  </Tag>
                </>
              )}
            </span>
            <Menu
              label="…"
              className="button button--quiet button--xs"
              ariaLabel={`${account.name}さん ${entry.agency.name} の所属の操作`}
              entries={[
                {
                  id: 'edit',
                  label: '役割・期間を変える',
                  icon: 'pencil',
                  onSelect: () => onEdit(entry),
                },
                entry.active
                  ? {
                      id: 'stop',
                      label: 'この所属を停止する',
                      icon: 'lock',
                      onSelect: () => onAsk('membership-stop', entry),
                    }
                  : {
                      id: 'go',
                      label: 'この所属を再開する',
                      icon: 'check',
                      onSelect: () => onAsk('membership-reactivate', entry),
                    },
              ]}
            />
          </li>
        );
      })}
    </ul>
  );
}
