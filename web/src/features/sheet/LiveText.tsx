import { useEffect, useMemo, useRef, useState } from 'react';
import * as Y from 'yjs';
import type { ControlIds } from '../../ui';
import type { DocumentConnection } from '../../sync/connection';
import type { Peer } from '../../sync/hooks';
import { TextBinding, type TextBox } from '../../sync/text-binding';
import './live-text.css';

/** How long after the last key 入力中 is shown to others, ms. */
const TYPING_FOR = 3_000;

interface Caret {
  client: number;
  name: string;
  color: string;
  /** Box index of the caret, and of the other end of the selection. */
  at: number;
  from: number;
}

/** Where a peer's relative position is now; null when its surroundings are gone. */
function indexOf(doc: Y.Doc, text: Y.Text, position: unknown): number | null {
  if (position === null || position === undefined) return null;
  try {
    const relative = Y.createRelativePositionFromJSON(position);
    const absolute = Y.createAbsolutePositionFromRelativePosition(relative, doc);
    return absolute?.type === text ? absolute.index : null;
  } catch {
    // Whatever another client sent, it must not break this one.
    return null;
  }
}

/** A place in a text that moves with its surroundings, as JSON. */
function place(text: Y.Text, index: number): unknown {
  return Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(text, index));
}

/**
 * A text box bound to a Y.Text, with other people's carets drawn over it. The mirror under the
 * box has the same text in the same type: it gives the box its height and the carets their place.
 */
export function LiveText({
  connection,
  text,
  path,
  peers,
  ids,
  multiline,
  maxLength,
}: {
  connection: DocumentConnection;
  text: Y.Text;
  path: string;
  /** Those whose caret is in this field. */
  peers: readonly Peer[];
  ids: ControlIds;
  multiline: boolean;
  maxLength?: number;
}) {
  const box = useRef<TextBox>(null);
  const binding = useRef<TextBinding | null>(null);
  const [shown, setShown] = useState('');

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const typing = (on: boolean) => {
      clearTimeout(timer);
      connection.setPresence({ typing: on });
      if (on) timer = setTimeout(() => connection.setPresence({ typing: false }), TYPING_FOR);
    };
    const bound = new TextBinding(text, element, {
      onText: setShown,
      onEdit: () => typing(true),
      onComposing: (composing) => {
        connection.setComposing(composing);
        connection.setPresence({ typing: composing });
        if (!composing) typing(true);
      },
      onSelection: (anchor, head) =>
        connection.setPresence({
          field: path,
          cursor: {
            anchor: place(text, anchor),
            head: place(text, head),
          },
        }),
    });
    binding.current = bound;
    const blur = () => {
      clearTimeout(timer);
      connection.setPresence({ field: null, cursor: null, typing: false });
    };
    element.addEventListener('blur', blur);
    return () => {
      clearTimeout(timer);
      element.removeEventListener('blur', blur);
      bound.destroy();
      binding.current = null;
    };
  }, [text, connection, path]);

  // Text of others moves their carets: `shown` is a dependency although only its change matters.
  const carets = useMemo<Caret[]>(() => {
    const places: Caret[] = [];
    for (const peer of peers) {
      const head = indexOf(connection.doc, text, peer.cursor?.head);
      if (head === null) continue;
      const anchor = indexOf(connection.doc, text, peer.cursor?.anchor) ?? head;
      const toBox = (index: number) =>
        Math.min(shown.length, binding.current?.toBox(index) ?? index);
      places.push({
        client: peer.client,
        name: peer.name,
        color: peer.color,
        at: toBox(head),
        from: toBox(anchor),
      });
    }
    return places.sort((a, b) => a.at - b.at);
  }, [peers, connection, text, shown]);

  const first = peers[0];
  const common = {
    ...ids,
    className: `input live-text__box${multiline ? ' live-text__box--area' : ''}`,
    spellCheck: false,
    autoComplete: 'off',
    ...(maxLength !== undefined ? { maxLength } : {}),
    ...(first
      ? { style: { borderColor: first.color, boxShadow: `inset 0 0 0 1px ${first.color}` } }
      : {}),
  };
  return (
    <div className={multiline ? 'live-text live-text--area' : 'live-text'}>
      {multiline ? (
        <textarea {...common} rows={2} ref={box as React.RefObject<HTMLTextAreaElement>} />
      ) : (
        <input {...common} type="text" ref={box as React.RefObject<HTMLInputElement>} />
      )}
      <div className="live-text__mirror" aria-hidden="true">
        {mirror(shown, carets)}
      </div>
    </div>
  );
}

/** The text cut at every caret and selection end, with the carets between. */
function mirror(text: string, carets: readonly Caret[]): React.ReactNode[] {
  const cuts = new Set([0, text.length]);
  for (const caret of carets) cuts.add(caret.at).add(caret.from);
  const sorted = [...cuts].sort((a, b) => a - b);
  const nodes: React.ReactNode[] = [];
  sorted.forEach((start, index) => {
    for (const caret of carets)
      if (caret.at === start)
        nodes.push(
          <span
            key={`caret-${caret.client}`}
            className="live-text__caret"
            style={{ backgroundColor: caret.color }}
          >
            <span style={{ backgroundColor: caret.color }}>{caret.name}</span>
          </span>,
        );
    const end = sorted[index + 1];
    if (end === undefined) return;
    const selecting = carets.find(
      (caret) => start >= Math.min(caret.at, caret.from) && end <= Math.max(caret.at, caret.from),
    );
    const piece = text.slice(start, end);
    nodes.push(
      selecting ? (
        <span key={`text-${start}`} className="live-text__selection">
          <span style={{ backgroundColor: selecting.color }} />
          {piece}
        </span>
      ) : (
        <span key={`text-${start}`}>{piece}</span>
      ),
    );
  });
  // A last empty line has no height of its own.
  nodes.push('\u200b');
  return nodes;
}
