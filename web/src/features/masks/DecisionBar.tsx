import { Button, Select } from '../../ui';
import { CATEGORIES, category, sourceLabel, STATUS_WORDS } from './labels';
import type { Command } from './keyboard';
import type { Selected } from './selection';
import type { Group, Span } from './spans';

/** What can be done with the word one stands on, or with the text just selected. */
export function DecisionBar({
  current,
  group,
  selected,
  masksPerson,
  onCommand,
  onLabel,
}: {
  current: Span | null;
  group: Group | null;
  selected: Selected | null;
  masksPerson: number | null;
  onCommand: (command: Command) => void;
  onLabel: (code: string) => void;
}) {
  if (selected)
    return (
      <div className="masks__decide">
        <p>
          選んだことば「<b>{selected.text}</b>」を伏せることばに足します。種類を選んでください。
        </p>
        <div className="row">
          {CATEGORIES.slice(0, 9).map((entry, index) => (
            <Button
              key={entry.code}
              size="s"
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => onLabel(entry.code)}
            >
              {entry.label} <kbd className="key">{index + 1}</kbd>
            </Button>
          ))}
        </div>
      </div>
    );
  if (!current) return null;
  const count = group?.spans.length ?? 1;
  return (
    <div className="masks__decide">
      <div className="masks__decide-head">
        <p>
          「<b>{current.surface}</b>」
          <span className="soft">
            {STATUS_WORDS[current.status]}　{sourceLabel(current.source)} {current.score.toFixed(2)}
            {masksPerson !== null && `　見え方 ［${category(current.label).label}${masksPerson}］`}
          </span>
        </p>
        <Select
          label="種類"
          value={current.label}
          empty={null}
          options={CATEGORIES.map((entry) => ({ code: entry.code, label: entry.label }))}
          onChange={onLabel}
        />
      </div>
      <div className="row">
        <Button variant="primary" size="s" onClick={() => onCommand({ kind: 'accept' })}>
          伏せる <kbd className="key">A</kbd>
        </Button>
        {count > 1 && (
          <Button size="s" onClick={() => onCommand({ kind: 'accept_all' })}>
            {count}件とも <kbd className="key">Shift+A</kbd>
          </Button>
        )}
        <Button variant="quiet" size="s" onClick={() => onCommand({ kind: 'reject' })}>
          伏せない <kbd className="key">X</kbd>
        </Button>
        {count > 1 && (
          <Button variant="quiet" size="s" onClick={() => onCommand({ kind: 'reject_all' })}>
            {count}件とも伏せない <kbd className="key">Shift+X</kbd>
          </Button>
        )}
        <Button variant="text" size="s" icon="undo" onClick={() => onCommand({ kind: 'undo' })}>
          取り消す <kbd className="key">U</kbd>
        </Button>
      </div>
    </div>
  );
}
