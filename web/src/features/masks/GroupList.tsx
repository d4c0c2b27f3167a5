import type { Peer } from '../../sync/hooks';
import { Avatar, Button, Tag } from '../../ui';
import { category, sourceLabel, STATUS_WORDS } from './labels';
import { context, type FieldText, type Group, type Span } from './spans';

/** The words found, one line for each surface form, least certain first. */
export function GroupList({
  groups,
  current,
  fields,
  peers,
  onPick,
  onAdd,
}: {
  groups: readonly Group[];
  current: Span | null;
  fields: readonly FieldText[];
  peers: readonly Peer[];
  onPick: (id: string) => void;
  onAdd: () => void;
}) {
  return (
    <section className="card masks__list" aria-labelledby="masks-found">
      <div className="card__head">
        <h2 className="card__title" id="masks-found">
          見つかったことば
        </h2>
        <Button size="s" icon="plus" onClick={onAdd}>
          足す
        </Button>
      </div>
      <p className="masks__order soft">確からしさの低い順</p>
      <ul className="masks__scroll" aria-label="見つかったことば">
        {groups.length === 0 && (
          <li className="masks__none">
            伏せることばは見つかっていません。文を選ぶか「足す」で加えられます。
          </li>
        )}
        {groups.map((group) => {
          const chosen = group.surface === current?.surface;
          const first = group.spans[0];
          const text = fields.find((entry) => entry.field === first?.field)?.text ?? '';
          const here = peers.filter((peer) => group.spans.some((span) => span.id === peer.field));
          return (
            <li key={group.surface}>
              <button
                type="button"
                className="masks__group"
                data-group={group.surface}
                aria-current={chosen ? 'true' : undefined}
                onClick={() =>
                  onPick(
                    (group.spans.find((span) => span.status === 'pending') ?? group.spans[0])?.id ??
                      '',
                  )
                }
              >
                <span className="masks__group-line">
                  <span className={`mark-label mark-label--${category(group.label).mark}`}>
                    {category(group.label).label}
                  </span>
                  <b>{group.surface}</b>
                  <span className="soft">×{group.spans.length}</span>
                  <span className="masks__status">
                    <Tag
                      small
                      tone={
                        group.pending > 0
                          ? 'orange'
                          : group.status === 'accepted'
                            ? 'green'
                            : 'plain'
                      }
                      {...(group.status === 'accepted' ? { icon: 'check' as const } : {})}
                    >
                      {group.pending > 0 && group.pending < group.spans.length
                        ? `残り${group.pending}`
                        : STATUS_WORDS[group.status]}
                    </Tag>
                  </span>
                </span>
                <span className="masks__group-line soft">
                  <span className="masks__context">
                    {first ? context(text, first.start, first.end) : ''}
                  </span>
                  <span className="nowrap">
                    {sourceLabel(group.source)} {group.score.toFixed(2)}
                  </span>
                </span>
                {here.map((peer) => (
                  <span key={peer.account} className="masks__group-line soft">
                    <Avatar person={peer} small decorative />
                    {peer.name}さんが確認中
                  </span>
                ))}
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
