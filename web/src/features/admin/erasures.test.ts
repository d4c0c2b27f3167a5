import { expect, test } from 'vitest';
import { countsText, targetText } from './erasures';

test('counts are said in words, and nothing of what is not there', () => {
  expect(countsText({ keys: 1, documents: 2, finals: 0, unheard_of: 3 })).toBe(
    '書き直した・消した記録 2、廃棄した暗号鍵 1',
  );
  expect(countsText({})).toBe('');
});

test('a target is named by case and kind', () => {
  expect(targetText({ case_no: '2026-0002', document_label: '相談受付・申込票' })).toBe(
    '事案 2026-0002 相談受付・申込票',
  );
  expect(targetText({ case_no: '2026-0002', document_label: null })).toBe('事案 2026-0002');
  expect(targetText({ case_no: null, document_label: null })).toBe('共有メモ');
});
