/** Words for erasures. */
import type { Schema } from '../../api/types';

export type Erasure = Schema<'ErasureAnswer'>;

/** What is counted in a 廃棄記録, in the order in which it is said. */
const COUNTED: readonly (readonly [string, string])[] = [
  ['cases', '事案'],
  ['persons', '台帳の人'],
  ['documents', '書き直した・消した記録'],
  ['finals', '確定した版'],
  ['releases', 'マスク確認の結果'],
  ['progress_records', '支援経過'],
  ['transcripts', '文字起こし'],
  ['attachments', '添付'],
  ['requests', '依頼のことば'],
  ['steps', '段階の理由'],
  ['imports', '中止した取込'],
  ['consents', '同意'],
  ['vectors', '類似事案の索引'],
  ['derived', 'マスク済みの文と検出結果'],
  ['resealed', '暗号化し直した値'],
  ['keys', '廃棄した暗号鍵'],
];

/** 「記録 2、廃棄した暗号鍵 1」; what is not there is left out. */
export function countsText(counts: Readonly<Record<string, number>>): string {
  return COUNTED.flatMap(([key, label]) => {
    const number = counts[key];
    return number ? [`${label} ${number}`] : [];
  }).join('、');
}

/** What is to be erased, without saying anything of its content. */
export function targetText(item: {
  case_no?: string | null;
  document_label?: string | null;
}): string {
  const parts = [item.case_no ? `事案 ${item.case_no}` : null, item.document_label ?? null];
  return parts.filter((part) => part !== null).join(' ') || '共有メモ';
}
