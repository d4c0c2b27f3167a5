import { useEffect, useState } from 'react';
import { Button, Dialog, Select, TextInput } from '../../ui';
import { CATEGORIES } from './labels';
import { occurrences, type FieldText, type Span } from './spans';

/** The way to add a word without a mouse: every place where it stands is found and counted first. */
export function AddDialog({
  open,
  fields,
  spans,
  onClose,
  onAdd,
}: {
  open: boolean;
  fields: readonly FieldText[];
  spans: readonly Span[];
  onClose: () => void;
  onAdd: (
    places: { field: string; start: number; end: number }[],
    label: string,
    word: string,
  ) => void;
}) {
  const [word, setWord] = useState('');
  const [label, setLabel] = useState('PERSON');
  const [tried, setTried] = useState(false);
  const places = occurrences(word, fields, spans);
  const error =
    word.trim() === ''
      ? '伏せることばを入力してください。'
      : places.length === 0
        ? '文の中に、まだ伏せていない同じことばがありません。'
        : undefined;
  useEffect(() => {
    if (!open) return;
    setWord('');
    setTried(false);
  }, [open]);
  const submit = (): void => {
    if (error) setTried(true);
    else onAdd(places, label, word.trim());
  };
  return (
    <Dialog
      title="伏せることばを足す"
      isOpen={open}
      onClose={onClose}
      width="s"
      footer={
        <>
          <Button variant="quiet" onClick={onClose}>
            やめる
          </Button>
          <Button variant="primary" onClick={submit}>
            {places.length > 0 ? `${places.length}件を伏せる` : '伏せる'}
          </Button>
        </>
      }
    >
      <div className="stack">
        <TextInput
          label="ことば"
          required
          autoFocus
          value={word}
          onChange={setWord}
          error={tried ? error : undefined}
          support="文に出てくるとおりに入力します。"
          onKeyDown={(event) => {
            if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
              event.preventDefault();
              submit();
            }
          }}
        />
        <Select
          label="種類"
          value={label}
          empty={null}
          options={CATEGORIES.map((entry) => ({ code: entry.code, label: entry.label }))}
          onChange={setLabel}
        />
        <p role="status">{word.trim() !== '' && `文の中に ${places.length}件あります。`}</p>
      </div>
    </Dialog>
  );
}
