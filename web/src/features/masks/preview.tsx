import { Fragment, type ReactNode } from 'react';
import type { Projection } from '../../api/types';
import { Icon } from '../../ui';

/** 「確認中」: newer text exists; nothing of it has been sent to this browser as a preview. */
export function Withheld({ partner = false }: { partner?: boolean }) {
  return (
    <span className="withheld">
      <Icon name="clock" size="s" />
      <b>確認中</b>　
      {partner
        ? 'この先に新しく書かれた文があります。確認が終わると見られます。'
        : '検出が終わるまで、新しく書かれた文は渡りません。'}
    </span>
  );
}

/** Masked text with its ［氏名1］ set apart. `current` is the placeholder to point out. */
export function MaskedText({ text, current }: { text: string; current?: number }) {
  let count = -1;
  return (
    <>
      {text.split(/(［[^［］\n]{1,12}］)/).map((piece, index): ReactNode => {
        if (!/^［.*］$/.test(piece)) return <Fragment key={index}>{piece}</Fragment>;
        count += 1;
        return (
          <span
            key={index}
            className={count === current ? 'placeholder placeholder--current' : 'placeholder'}
          >
            {piece}
          </span>
        );
      })}
    </>
  );
}

/** The released text of a field, if the projection has one. Table cells are `table/rowId/column`. */
export function projectedText(
  projection: Projection | undefined,
  field: string,
): { text: string | null; withheld: boolean } {
  if (!projection) return { text: null, withheld: false };
  const [id = '', row, column] = field.split('/');
  const top = projection.fields[id];
  const cell = row && column ? top?.rows?.find((entry) => entry.id === row)?.cells[column] : top;
  return { text: cell?.text ?? null, withheld: cell?.withheld ?? false };
}
