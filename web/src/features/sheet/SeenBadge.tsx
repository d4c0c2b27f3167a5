import { useId, useState } from 'react';
import type { SeenBy } from '../../api/types';
import { Icon, LevelTag } from '../../ui';

/**
 * Who can see what is written here: 6機関 / 2機関はマスク済み / 自機関のみ; pressed, their names.
 * `inField`: one of many that all say the same. Those are left out of the tab order, which would
 * grow to twice its length; the names also stand beside the sheet.
 */
export function SeenBadge({
  seenBy,
  inField = false,
}: {
  seenBy: readonly SeenBy[];
  inField?: boolean;
}) {
  const id = useId();
  const [shown, setShown] = useState(false);
  const open = seenBy.filter((agency) => agency.level === 'read' || agency.level === 'edit');
  const masked = seenBy.filter((agency) => agency.level === 'masked');
  if (open.length + masked.length === 0) return null;
  const own = open.length <= 1 && masked.length === 0;
  return (
    <span
      className="seen"
      onBlur={() => setShown(false)}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !shown) return;
        event.stopPropagation();
        setShown(false);
      }}
    >
      <button
        type="button"
        className="seen__button"
        aria-expanded={shown}
        aria-controls={shown ? id : undefined}
        tabIndex={inField ? -1 : undefined}
        onClick={() => setShown(!shown)}
      >
        <span className="visually-hidden">見られる機関：</span>
        <Icon name={own ? 'lock' : 'people'} size="s" />
        {own ? '自機関のみ' : `${open.length}機関`}
        {masked.length > 0 && (
          <span className="seen__masked">
            <Icon name="mask" size="s" />
            {masked.length}
            <span className="visually-hidden">機関はマスク済み</span>
          </span>
        )}
      </button>
      {shown && (
        <ul id={id} className={inField ? 'seen__list seen__list--field' : 'seen__list'}>
          {[...open, ...masked].map((agency) => (
            <li key={agency.agency_id}>
              {agency.name}
              <LevelTag level={agency.level} />
            </li>
          ))}
        </ul>
      )}
    </span>
  );
}
