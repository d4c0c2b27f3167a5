import { category } from './labels';
import { segments, type FieldText, type Span } from './spans';

/** The signs of the three states. */
export function Legend() {
  return (
    <p className="masks__legend">
      <span>
        <span className="mark mark--p mark--pending" data-label="氏名">
          例
        </span>
        未確認
      </span>
      <span>
        <span className="mark mark--p mark--accepted" data-label="氏名">
          例
        </span>
        伏せる
      </span>
      <span>
        <span className="mark mark--p mark--rejected" data-label="氏名">
          例
        </span>
        伏せない
      </span>
    </p>
  );
}

/** One text with its words painted. */
export function PaintedField({
  entry,
  spans,
  numbers,
  currentId,
  onPick,
}: {
  entry: FieldText;
  spans: readonly Span[];
  numbers: ReadonlyMap<string, number>;
  currentId: string | null;
  onPick: (id: string) => void;
}) {
  const own = spans.filter((span) => span.field === entry.field);
  return (
    <p className="masks__original" data-field={entry.field}>
      {segments(entry.text, own).map((piece) =>
        piece.span ? (
          <PaintedSpan
            key={piece.start}
            span={piece.span}
            text={piece.text}
            number={numbers.get(piece.span.id)}
            current={piece.span.id === currentId}
            onPick={onPick}
          />
        ) : (
          <span key={piece.start}>{piece.text}</span>
        ),
      )}
    </p>
  );
}

/** Colour, line and words tell the category; frame and sign tell the state. The label is drawn by CSS. */
function PaintedSpan({
  span,
  text,
  number,
  current,
  onPick,
}: {
  span: Span;
  text: string;
  number: number | undefined;
  current: boolean;
  onPick: (id: string) => void;
}) {
  const { label, mark } = category(span.label);
  return (
    // Reached with ↓ and ↑ and from the list beside; the click is a short cut for the mouse.
    <mark
      className={`mark mark--${mark} mark--${span.status}${current ? ' mark--current' : ''}`}
      data-span={span.id}
      data-label={`${label}${number ?? ''}`}
      onClick={() => onPick(span.id)}
    >
      {text}
    </mark>
  );
}
