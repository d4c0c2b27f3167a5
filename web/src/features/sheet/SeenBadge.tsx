import type { SeenBy } from '../../api/types';
import { Icon } from '../../ui';

/** Who can see what is written here: 6機関 / 2機関はマスク済み / 自機関のみ. */
export function SeenBadge({ seenBy }: { seenBy: readonly SeenBy[] }) {
  const open = seenBy.filter((agency) => agency.level === 'read' || agency.level === 'edit');
  const masked = seenBy.filter((agency) => agency.level === 'masked');
  const title = [
    ...open.map((agency) => agency.name),
    ...masked.map((agency) => `${agency.name}（マスク済み）`),
  ].join('、');
  if (seenBy.length === 0) return null;
  if (open.length <= 1 && masked.length === 0)
    return (
      <span className="seen seen--own" title={title}>
        <Icon name="lock" size="s" />
        自機関のみ
      </span>
    );
  return (
    <span className="seen" title={title}>
      <span className="visually-hidden">見られる機関：</span>
      <Icon name="people" size="s" />
      {open.length}機関
      {masked.length > 0 && (
        <span className="seen__masked">
          <Icon name="mask" size="s" />
          {masked.length}
          <span className="visually-hidden">機関はマスク済み</span>
        </span>
      )}
    </span>
  );
}
