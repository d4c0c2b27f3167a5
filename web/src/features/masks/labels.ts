/** Categories of what is masked: the words, the placeholder, and the key 1–9 that chooses them. */

export interface Category {
  code: string;
  /** Word in lists and inside the placeholder ［…1］. */
  label: string;
  /** Class suffix of the mark: colour, line kind and word tell the category apart. */
  mark: 'p' | 'a' | 'f' | 't' | 'b' | 'n' | 'm' | 'z' | 'c' | 'o';
}

/** In the order of the keys 1–9; the tenth is reachable from the list only. */
export const CATEGORIES: readonly Category[] = [
  { code: 'PERSON', label: '氏名', mark: 'p' },
  { code: 'ADDRESS', label: '住所', mark: 'a' },
  { code: 'FACILITY', label: '機関', mark: 'f' },
  { code: 'PHONE', label: '電話', mark: 't' },
  { code: 'BIRTHDATE', label: '生年月日', mark: 'b' },
  { code: 'ID_NUMBER', label: '番号', mark: 'n' },
  { code: 'EMAIL', label: 'メール', mark: 'm' },
  { code: 'POSTAL_CODE', label: '郵便番号', mark: 'z' },
  { code: 'ACCOUNT', label: '口座', mark: 'c' },
  { code: 'OTHER_ID', label: 'その他', mark: 'o' },
];

export function category(code: string): Category {
  return CATEGORIES.find((entry) => entry.code === code) ?? { code, label: code, mark: 'o' };
}

export const SOURCES: Readonly<Record<string, string>> = {
  register: '台帳',
  rule: '規則',
  dictionary: '辞書',
  model: 'モデル',
  manual: '手動',
};

export function sourceLabel(code: string): string {
  return SOURCES[code] ?? code;
}

/** What has been decided, in words. */
export const STATUS_WORDS = {
  pending: '未確認',
  accepted: '伏せる',
  rejected: '伏せない',
  mixed: '一部未確認',
} as const;
