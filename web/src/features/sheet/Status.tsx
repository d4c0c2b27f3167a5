import { useEffect, useState } from 'react';
import type { ConnectionState, DocumentConnection } from '../../sync/connection';
import { byAccount, useConnectionState, usePeers, type Peer } from '../../sync/hooks';
import { Avatar, Icon, Notice, useUnreadBoxes, Who, type IconName, type UnreadBox } from '../../ui';
import './status.css';

function clock(at: number): string {
  return new Intl.DateTimeFormat('ja-JP', { hour: '2-digit', minute: '2-digit' }).format(at);
}

/** Words and look of a save state. `boxes` hold text that is not in the document at all. */
export function saveWords(
  state: ConnectionState,
  boxes: readonly UnreadBox[] = [],
): {
  text: string;
  detail: string;
  icon: IconName;
  tone: 'good' | 'busy' | 'bad';
} {
  const left = state.unsaved + boxes.length;
  const count = left > 0 ? `${left}件` : '';
  switch (state.save) {
    case 'loading':
      return { text: '読み込み中', detail: '', icon: 'refresh', tone: 'busy' };
    case 'saved':
      if (boxes.some((box) => box.message !== null))
        return { text: `未保存 ${count}`, detail: '', icon: 'warning', tone: 'bad' };
      if (boxes.length > 0) return { text: '入力中', detail: '', icon: 'pencil', tone: 'busy' };
      // Text that is still being composed exists only in the box.
      return state.composing
        ? { text: '変換中', detail: '', icon: 'pencil', tone: 'busy' }
        : {
            text: '保存済み',
            detail: state.savedAt === null ? '' : clock(state.savedAt),
            icon: 'check',
            tone: 'good',
          };
    case 'saving':
      return { text: '保存中', detail: '', icon: 'refresh', tone: 'busy' };
    case 'unsaved':
      return { text: `未保存 ${count}`, detail: '', icon: 'warning', tone: 'bad' };
    case 'offline':
      return {
        text: 'オフライン',
        detail: count === '' ? '' : `未保存 ${count}`,
        icon: 'offline',
        tone: 'bad',
      };
    case 'stopped':
      return { text: '停止', detail: '', icon: 'close', tone: 'bad' };
  }
}

/** How long a save state must last before it is read out, in ms: it changes at every key. */
const SETTLED = 1500;

/** The last words that lasted: what a screen reader is told. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), SETTLED);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** 保存済み / 保存中 / 未保存 n件 / オフライン; announced politely, and only what lasts. */
export function SaveStatus({ connection }: { connection: DocumentConnection }) {
  const words = saveWords(useConnectionState(connection), useUnreadBoxes());
  const said = useSettled(words.tone === 'busy' ? '' : words.text);
  return (
    <span className={`save-status save-status--${words.tone}`}>
      <Icon name={words.icon} />
      {words.text}
      {words.detail && <small className="number">{words.detail}</small>}
      <span className="visually-hidden" role="status">
        {said}
      </span>
    </span>
  );
}

/**
 * Says what to do when the gateway lets web pages through but not live editing, that all is well when
 * only the usual way is closed, or that what the server has stored of the document is damaged.
 */
export function BlockedNotice({ connection }: { connection: DocumentConnection }) {
  const { blocked, damaged, fallback, synced } = useConnectionState(connection);
  if (damaged)
    return (
      <Notice tone="error" live title="この文書の記録に壊れた箇所が見つかりました">
        控えから復元されるまで、表示も保存もできません。
        {synced && 'この画面に入力した内容は残っています。画面を閉じずに、'}
        システム管理者に連絡してください。
      </Notice>
    );
  if (!blocked)
    return fallback && synced ? (
      <Notice tone="info">WebSocketが使えないため、予備の通信で保存しています。</Notice>
    ) : null;
  return (
    <Notice tone="error" live title="この回線では同時編集の通信ができません">
      途中の機器で止められている可能性があります。
      {synced
        ? '入力した内容はまだ保存されていません。この画面を閉じずに、情報システム担当へ連絡してください。つながると自動で保存します。'
        : '情報システム担当へ連絡してください。つながると自動で開きます。'}
    </Notice>
  );
}

/** Who else has this document open: names and agencies, or only marks when `compact`. */
export function OnlineMembers({
  connection,
  compact = false,
}: {
  connection: DocumentConnection;
  compact?: boolean;
}) {
  const people = byAccount(usePeers(connection));
  if (people.length === 0) return null;
  return (
    <ul className={compact ? 'online online--compact' : 'online'} aria-label="いま開いている人">
      {people.slice(0, compact ? 6 : 4).map((peer) => (
        <li key={peer.account}>
          {compact ? <Avatar person={peer} small /> : <Who person={peer} />}
        </li>
      ))}
      {people.length > (compact ? 6 : 4) && (
        <li className="soft">ほか{people.length - (compact ? 6 : 4)}人</li>
      )}
    </ul>
  );
}

/** 「鈴木（くらしサポート）入力中」 */
export function Typing({ peers }: { peers: readonly Peer[] }) {
  const typing = byAccount(peers.filter((peer) => peer.typing));
  const first = typing[0];
  if (!first) return null;
  const others = typing.length > 1 ? `ほか${typing.length - 1}人` : '';
  return (
    <span className="typing" style={{ color: first.color }}>
      {first.name}（{first.agency}）{others}入力中
      <i />
      <i />
      <i />
    </span>
  );
}
