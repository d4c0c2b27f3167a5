import { useEffect, useState } from 'react';
import { Button, Icon } from '../../ui';

/** How long something has to be unscanned before it is worth a word, in ms: a pause in typing is not. */
export const QUIET_SCAN = 1_500;

/** After this long the scan is not coming by itself, in ms (it looks after 10 s at the latest). */
export const LATE_SCAN = 20_000;

/** Whether something has held for a while without a break. */
export function useLasting(holds: boolean, time: number): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!holds) return;
    const timer = setTimeout(() => setLasting(true), time);
    return () => {
      clearTimeout(timer);
      setLasting(false);
    };
  }, [holds, time]);
  return lasting;
}

/**
 * What the scan is doing, in one line of fixed height: it comes and goes while people write, and
 * nothing below may move for that.
 */
export function ScanLine({
  state,
  fields,
  arrived,
  onGo,
  scanning,
  onScan,
}: {
  state: 'unknown' | 'rest' | 'begun' | 'running' | 'late';
  fields: readonly string[];
  arrived: number;
  onGo: (() => void) | null;
  scanning: boolean;
  onScan: () => void;
}) {
  const named = [...new Set(fields)];
  const where = `${named.slice(0, 2).join('、')}${named.length > 2 ? ` ほか${named.length - 2}欄` : ''}`;
  return (
    <div className="masks__scan" data-scan={state}>
      <span role="status" className={state === 'late' ? 'masks__late' : undefined}>
        {state === 'running' && `新しく書かれた文を調べています（${where}）`}
        {state === 'late' && (
          <>
            <Icon name="warning" size="s" />
            {`まだ調べていない文があります（${where}）。調べ終わるまで相手に渡りません。`}
          </>
        )}
        {(state === 'rest' || state === 'begun') &&
          arrived > 0 &&
          onGo &&
          `候補が${arrived}件増えました（一覧の下）`}
      </span>
      {state === 'late' && (
        <Button size="xs" icon="refresh" busy={scanning} onClick={onScan}>
          いま調べる
        </Button>
      )}
      {(state === 'rest' || state === 'begun') && arrived > 0 && onGo && (
        <Button size="xs" onClick={onGo}>
          増えた候補へ
        </Button>
      )}
    </div>
  );
}
