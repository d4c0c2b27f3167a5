import { describe, expect, it } from 'vitest';
import {
  checkPassword,
  checkRecovery,
  checkTotp,
  groupSecret,
  normaliseCode,
  refusalText,
  remaining,
} from './rules';

describe('confirmation codes', () => {
  it('accepts full-width digits, spaces and hyphens', () => {
    expect(normaliseCode('１２３ ４５６')).toBe('123456');
    expect(normaliseCode('123-456')).toBe('123456');
    expect(normaliseCode('１２３ー４５６')).toBe('123456');
    expect(checkTotp('　１２３４５６')).toEqual({ code: '123456' });
  });

  it('says what is wrong instead of refusing silently', () => {
    expect(checkTotp('')).toHaveProperty('error');
    expect(checkTotp('12345')).toEqual({
      error: '確認コードは6桁です。いまは5桁入力されています。',
    });
    expect(checkTotp('12a456')).toHaveProperty('error');
  });

  it('keeps the hyphens of a recovery code for the server and refuses a stub', () => {
    expect(checkRecovery(' ABCD-EFGH ')).toEqual({ code: 'ABCD-EFGH' });
    expect(checkRecovery('abc')).toHaveProperty('error');
  });
});

describe('lock-out', () => {
  it('tells the remaining time, rounded up', () => {
    expect(remaining(0.2)).toBe('1秒');
    expect(remaining(60)).toBe('1分');
    expect(remaining(270)).toBe('4分30秒');
    expect(remaining(3600)).toBe('1時間');
    expect(refusalText({ code: 'locked', retryAfter: 270 })).toContain('あと4分30秒');
  });

  it('never tells whether the id or the password was wrong', () => {
    expect(refusalText({ code: 'invalid_credentials' })).toContain('ログインIDかパスワード');
  });
});

describe('forced password change', () => {
  it('checks length, the login id and the repetition', () => {
    expect(checkPassword('short', 'short', 'sasaki')).toHaveProperty('next');
    expect(checkPassword('sasaki-no-himitsu', 'sasaki-no-himitsu', 'Sasaki')).toHaveProperty(
      'next',
    );
    expect(checkPassword('midori no oka 8', 'midori no oka 9', 'sasaki')).toHaveProperty('again');
    expect(checkPassword('midori no oka 8', 'midori no oka 8', 'sasaki')).toEqual({});
    expect(checkPassword('aaaaaaaaaaaaaa', 'aaaaaaaaaaaaaa', 'x')).toHaveProperty('next');
  });
});

it('groups the enrolment secret in fours', () => {
  expect(groupSecret('ABCDEFGHIJ')).toBe('ABCD EFGH IJ');
});
