import { useEffect, useRef, useState } from 'react';
import { api, apiUrl } from '../../../api/client';
import { useSave } from '../../../app/saving';
import { Button, Dialog, Icon, IconButton } from '../../../ui';
import { upload } from '../../../api/upload';
import { sizeWords, unsearched, type Attachment, type Desk } from './entry';

/** Why a file was not taken, in words: what, and what to do. */
function refusal(code: string, limit: number, endings: readonly string[]): string {
  switch (code) {
    case 'too_large':
      return `ファイルが大きすぎます。${sizeWords(limit)}までのファイルを選んでください。`;
    case 'unsupported_format':
      return `この形式は添付できません。${endings.map((one) => one.toUpperCase()).join('、')} のファイルを選んでください。`;
    case 'content_mismatch':
      return 'ファイルの中身が名前の末尾（拡張子）と違います。元のファイルを確かめてください。';
    case 'empty':
      return 'ファイルが空です。元のファイルを確かめてください。';
    case 'personal_number':
      return 'ファイル名にマイナンバーらしい番号があります。名前を変えてから添付してください。';
    case 'offline':
      return 'つながりませんでした。通信を確かめて、もう一度選んでください。';
    default:
      return '送信できませんでした。もう一度選んでください。';
  }
}

interface Sending {
  key: number;
  name: string;
  /** 0–1; null: the server is at work. */
  sent: number | null;
  error?: string;
  abort?: () => void;
}

/** Files of an entry that is being written: they are sent at once and wait for it. */
export function AttachmentField({
  id,
  caseId,
  desk,
  attachments,
  error,
  onAdd,
  onRemove,
  onBusy,
}: {
  id: string;
  caseId: string;
  desk: Desk | undefined;
  attachments: readonly Attachment[];
  error?: string | undefined;
  onAdd: (attachment: Attachment) => void;
  onRemove: (id: string) => void;
  onBusy: (count: number) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const next = useRef(0);
  const [sending, setSending] = useState<Sending[]>([]);
  const busy = sending.filter((one) => one.error === undefined).length;
  useEffect(() => onBusy(busy), [busy, onBusy]);
  const limit = desk?.attachment_limit ?? 0;
  const endings = desk?.attachment_endings ?? [];
  const change = (key: number, part: Partial<Sending>): void =>
    setSending((old) => old.map((one) => (one.key === key ? { ...one, ...part } : one)));
  const send = (file: File): void => {
    const key = next.current++;
    // The server looks again; this spares the sending.
    if (limit > 0 && file.size > limit) {
      const words = refusal('too_large', limit, endings);
      setSending((old) => [...old, { key, name: file.name, sent: 0, error: words }]);
      return;
    }
    const body = new FormData();
    body.append('file', file);
    const call = upload<Attachment>(apiUrl(`cases/${caseId}/attachments`).href, body, (sent) =>
      change(key, { sent }),
    );
    setSending((old) => [...old, { key, name: file.name, sent: 0, abort: call.abort }]);
    call.result
      .then((added) => {
        setSending((old) => old.filter((one) => one.key !== key));
        onAdd(added);
      })
      .catch((reason: unknown) => {
        const code = reason instanceof Error ? reason.message : '';
        if (code === 'aborted') setSending((old) => old.filter((one) => one.key !== key));
        else change(key, { error: refusal(code, limit, endings) });
      });
  };
  return (
    <div className="field" id={id} tabIndex={-1}>
      <div className="row">
        <Button size="s" variant="quiet" icon="upload" onClick={() => input.current?.click()}>
          ファイルを添付する
        </Button>
        <span className="soft">
          PDF・写真・Word・Excel・CSV・テキスト、1つ{sizeWords(limit)}まで
        </span>
        <input
          ref={input}
          type="file"
          multiple
          hidden
          aria-label="添付するファイル"
          accept={endings.map((one) => `.${one}`).join(',')}
          onChange={(event) => {
            for (const file of event.target.files ?? []) send(file);
            event.target.value = '';
          }}
        />
      </div>
      {error && <p className="field__error">{error}</p>}
      {(attachments.length > 0 || sending.length > 0) && (
        <ul className="attachments" aria-label="添付">
          {attachments.map((one) => (
            <li key={one.id} className="row">
              <AttachmentLink caseId={caseId} attachment={one} />
              <IconButton
                icon="close"
                label={`${one.name} の添付をやめる`}
                onClick={() => {
                  onRemove(one.id);
                  // What is left behind by a failure waits unseen; it is nobody else's.
                  void api.delete(`cases/${caseId}/attachments/${one.id}`).catch(() => undefined);
                }}
              />
            </li>
          ))}
          {sending.map((one) => (
            <li key={one.key} className="row">
              <span className="row" role="status">
                <Icon name={one.error ? 'warning' : 'clock'} />
                <span>{one.name}</span>
                {one.error ? (
                  <span className="field__error">{one.error}</span>
                ) : one.sent === null ? (
                  <span className="soft">確かめています</span>
                ) : (
                  <progress max={1} value={one.sent} aria-label={`${one.name} の送信`} />
                )}
              </span>
              <IconButton
                icon="close"
                label={`${one.name} の送信をやめる`}
                onClick={() => {
                  if (one.error === undefined) one.abort?.();
                  else setSending((old) => old.filter((other) => other.key !== one.key));
                }}
              />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Name and size of an attachment: saved by a press, or looked at where the browser can show it. */
export function AttachmentLink({ caseId, attachment }: { caseId: string; attachment: Attachment }) {
  const save = useSave();
  const [shown, setShown] = useState(false);
  const path = `cases/${caseId}/attachments/${attachment.id}`;
  const inline = apiUrl(path, { inline: true }).href;
  const picture = attachment.media_type.startsWith('image/');
  const reason = unsearched(attachment);
  return (
    <span className="row attachment">
      <Icon name="doc" />
      <span className="attachment__name">
        {attachment.name} <span className="soft">{sizeWords(attachment.size)}</span>
        {reason && <span className="soft attachment__unsearched">{reason}</span>}
      </span>
      {attachment.preview && picture && (
        <Button size="xs" variant="text" icon="eye" onClick={() => setShown(true)}>
          見る
        </Button>
      )}
      {attachment.preview && !picture && (
        <a href={inline} target="_blank" rel="noopener noreferrer" className="attachment__open">
          見る（新しいタブ）
        </a>
      )}
      <Button
        size="xs"
        variant="text"
        icon="download"
        onClick={() => save(apiUrl(path).href, attachment.name)}
      >
        保存する
      </Button>
      {shown && (
        <Dialog title={attachment.name} isOpen width="l" onClose={() => setShown(false)}>
          <img className="attachment__picture" src={inline} alt={`添付の画像 ${attachment.name}`} />
        </Dialog>
      )}
    </span>
  );
}
