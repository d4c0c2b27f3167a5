/** Shapes of imports and exports, and the words for them. */
import type { Schema } from '../../api/types';

export type ImportSummary = Schema<'ImportSummary'>;
export type ImportAnswer = Schema<'ImportAnswer'>;
export type ImportRow = Schema<'ImportRow'>;
export type Table = Schema<'TableAnswer'>;

/** What the names of a file mean: header → column, and per column name → code. */
export interface Mapping {
  columns: Record<string, string>;
  options: Record<string, Record<string, string>>;
}

/** Kinds of rows, in the order in which they matter. */
export const KINDS = ['error', 'create', 'update', 'same'] as const;
export type Kind = (typeof KINDS)[number];

export const KIND_LABELS: Readonly<Record<Kind, string>> = {
  error: '誤り',
  create: '新しく加える',
  update: '変わる',
  same: '変わらない',
};

const FAILURES: Readonly<Record<string, string>> = {
  expired: '24時間のあいだ実行されなかったので、ファイルを消しました。何も取り込んでいません。',
  discarded: 'やめました。何も取り込んでいません。',
  errors: '誤りのある行があったので、何も取り込んでいません。',
  forbidden: '取り込む権限がなくなっていたので、何も取り込んでいません。',
  erasure: '記録の消去が行われたため、ファイルを消しました。もう一度送ってください。',
  unreadable: 'ファイルを読めなかったので、何も取り込んでいません。',
  invalid: '受け付けられない値があったので、何も取り込んでいません。',
  gave_up:
    '何度試してもこのファイルの処理が終わらなかったので、取りやめました。何も取り込んでいません。ファイルを分けて送り直し、それでも終わらないときはシステム管理者に連絡してください。',
  unindexed:
    '書き込みは終わりましたが、名前や電話番号で探せるようにする処理が終わりませんでした。送り直さずに、システム管理者に連絡してください。',
  cut_off:
    '書き込みの途中で、取り込む権限がなくなったか、書き込めない状態が続きました。シートに入っていない値が残っています。同じファイルをもう一度送ると、残りが差分に出ます。',
};

/** Why nothing was brought in. */
export function failureText(code: string | null | undefined): string {
  return FAILURES[code ?? ''] ?? '取り込めませんでした。何も書き込んでいません。';
}

/** Where an import stands, in a few words. */
export function stateText(entry: Pick<ImportSummary, 'state' | 'failure'>): string {
  switch (entry.state) {
    case 'checking':
      return '確認しています';
    case 'ready':
      return '実行を待っています';
    case 'applying':
      return '取り込んでいます';
    case 'filling':
      return 'シートに書き込んでいます';
    case 'indexing':
      return '検索の準備をしています';
    case 'done':
      return '取り込みました';
    default:
      return entry.failure === 'discarded' ? 'やめました' : '取り込みませんでした';
  }
}

/** Whether the server is at it. */
export function isWorking(state: string): boolean {
  return ['checking', 'applying', 'filling', 'indexing'].includes(state);
}

/** 「加える 12・変わる 3・誤り 1」; kinds without rows are left out. */
export function countsText(counts: Readonly<Record<string, number>>): string {
  const parts = KINDS.filter((kind) => (counts[kind] ?? 0) > 0).map(
    (kind) => `${KIND_LABELS[kind]} ${(counts[kind] ?? 0).toLocaleString('ja-JP')}行`,
  );
  return parts.length > 0 ? parts.join('・') : '行がありません';
}

/** The files that can be brought in, in the order in which they build on each other. */
export function importable(tables: readonly Table[] | undefined): Table[] {
  return (tables ?? []).filter((table) => table.import);
}

/** What becomes of the rows of a file, before one is chosen. */
export function importHint(table: string): string {
  switch (table) {
    case 'person':
      return '支援対象者IDが空欄の行は新しい方、IDのある行は変更として取り込みます。';
    case 'case':
      return '事案番号のある行は変更、ない行は新しい事案です。支援対象者は、IDか、氏名と生年月日で書きます。「受付」より先の段階で取り込めるのは管理者です。';
    case 'relation':
      return '台帳の方を、支援対象者IDで事案の関係者に加えます。立場と続柄を変えることも、外すこともありません。';
    case 'consent':
      return '同意の登録がまだない方に、紙で得た同意を登録します。登録してある同意は変えません。撤回は画面で登録してください。';
    case 'progress':
      return '事案番号で事案に加えます。自機関の新しい記録だけです。確定した記録は変えません。';
    case 'intake_application':
    case 'intake_assessment':
    case 'screening':
    case 'plan':
    case 'evaluation':
      return '事案番号で事案のシートを探し、なければ下書きとして作ります。下書きは変えられますが、確定したシートは変えません。';
    default:
      return '先に作ってあるシートの表に、行を加えるか、行の値を変えます。行を消すことはありません。';
  }
}

/** Cells that somebody else had changed while the file was being written; nothing when there are none. */
export function leftText(counts: Readonly<Record<string, number>>): string {
  const left = counts['left'] ?? 0;
  return left > 0
    ? `書き込むあいだにほかの人が変えていた${left.toLocaleString('ja-JP')}か所は、そのまま残しました。同じファイルをもう一度送ると、違いが分かります。`
    : '';
}

/** Why none of the rows can be brought in, and what to do. */
export function nothingToTake(counts: Readonly<Record<string, number>>): string {
  const [errors, same] = [counts['error'] ?? 0, counts['same'] ?? 0];
  if (errors > 0)
    return same > 0
      ? '誤りのある行と、登録してある内容と変わらない行だけです。誤りを直して、もう一度送ってください。'
      : 'どの行にも誤りがあります。「行ごとの差分」で理由を確かめ、直してもう一度送ってください。';
  return same > 0
    ? 'どの行も、登録してある内容と同じです。取り込む必要はありません。'
    : 'ファイルに見出しのほかの行がありません。中身を確かめて、もう一度送ってください。';
}

/** The kind that is shown first: errors, else what would change. */
export function firstKind(counts: Readonly<Record<string, number>>): Kind {
  return KINDS.find((kind) => (counts[kind] ?? 0) > 0) ?? 'create';
}

const ENCODINGS: Readonly<Record<string, string>> = {
  'utf-8-bom': 'UTF-8（BOM付き）',
  'utf-8': 'UTF-8',
  cp932: 'Shift_JIS（CP932）',
  'utf-16': 'UTF-16',
};

/** The encoding in words; an unknown one as it is. */
export function encodingText(code: string): string {
  return ENCODINGS[code] ?? code;
}

/** A mapping with one more header, or without it when nothing is chosen. */
export function withColumn(mapping: Mapping, header: string, column: string): Mapping {
  const columns = { ...mapping.columns };
  if (column === '-') columns[header] = '';
  else if (column === '') delete columns[header];
  else columns[header] = column;
  return { ...mapping, columns };
}

/** A mapping with one more name of an option, or without it when nothing is chosen. */
export function withOption(mapping: Mapping, column: string, name: string, code: string): Mapping {
  const names = { ...mapping.options[column] };
  if (code === '') delete names[name];
  else names[name] = code;
  const options = { ...mapping.options, [column]: names };
  if (Object.keys(names).length === 0) delete options[column];
  return { ...mapping, options };
}
