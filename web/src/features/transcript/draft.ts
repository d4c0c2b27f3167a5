/**
 * The draft made from a transcript: which sentence stands behind which field, how sure the
 * pipeline is, and what accepting a field would do to what is already in the sheet.
 *
 * Evidence offsets arrive as code points within an utterance; everything painted here is UTF-16.
 */
import type { Schema } from '../../api/types';

export interface Evidence {
  utterance: number;
  /** Code points, end exclusive. */
  start: number;
  end: number;
}

export interface DraftField {
  value: unknown;
  confidence: number;
  evidence: readonly Evidence[];
}

export type Utterance = Schema<'UtteranceAnswer'>;

/** A transcript with its draft; the pipeline's own objects are typed here. */
export type Transcript = Omit<Schema<'TranscriptAnswer'>, 'draft' | 'warnings'> & {
  draft: Readonly<Record<string, DraftField>>;
  warnings: readonly Warning[];
};

/** Something in the file to look at, in the server's words, place included. */
interface Warning {
  code: string;
  message_ja: string;
}

/** Below this the field is marked 要確認 and 「すべて受け入れる」 leaves it out. */
export const CHECK_BELOW = 0.6;
const HIGH_FROM = 0.8;

export type Confidence = 'high' | 'middle' | 'low';

export function confidence(value: number): Confidence {
  if (value >= HIGH_FROM) return 'high';
  return value >= CHECK_BELOW ? 'middle' : 'low';
}

export const CONFIDENCE_LABELS: Readonly<Record<Confidence, { label: string; steps: 1 | 2 | 3 }>> =
  {
    high: { label: '高', steps: 3 },
    middle: { label: '中', steps: 2 },
    low: { label: '低・要確認', steps: 1 },
  };

/** UTF-16 offset of a code point offset, clamped to the text. */
export function utf16Offset(text: string, codePoint: number): number {
  let units = 0;
  let points = 0;
  for (const character of text) {
    if (points >= codePoint) break;
    units += character.length;
    points += 1;
  }
  return units;
}

export interface Place {
  number: number;
  utterance: number;
  /** UTF-16, end exclusive. */
  start: number;
  end: number;
  /** Fields resting on exactly this sentence, in the draft's order. */
  fields: string[];
}

/**
 * Gives every distinct piece of evidence a number in reading order; one sentence that carries two
 * fields has one number.
 */
export function numberEvidence(transcript: Pick<Transcript, 'utterances' | 'draft'>): Place[] {
  const places = new Map<string, Place>();
  for (const [field, entry] of Object.entries(transcript.draft)) {
    for (const evidence of entry.evidence) {
      const text = transcript.utterances[evidence.utterance]?.text;
      if (text === undefined) continue;
      const start = utf16Offset(text, evidence.start);
      const end = utf16Offset(text, evidence.end);
      if (start >= end) continue;
      const key = `${evidence.utterance}:${start}:${end}`;
      const place = places.get(key);
      if (place) {
        if (!place.fields.includes(field)) place.fields.push(field);
      } else
        places.set(key, { number: 0, utterance: evidence.utterance, start, end, fields: [field] });
    }
  }
  const sorted = [...places.values()].sort(
    (a, b) => a.utterance - b.utterance || a.start - b.start || b.end - a.end,
  );
  sorted.forEach((place, index) => {
    place.number = index + 1;
  });
  return sorted;
}

export interface Piece {
  start: number;
  text: string;
  /** Evidence covering this piece; the number is painted where an evidence begins. */
  places: Place[];
  begins: Place[];
}

/** Cuts one utterance at every evidence border; overlapping evidence shares pieces. */
export function pieces(text: string, places: readonly Place[]): Piece[] {
  const borders = new Set([0, text.length]);
  for (const place of places) {
    borders.add(Math.min(place.start, text.length));
    borders.add(Math.min(place.end, text.length));
  }
  const cuts = [...borders].sort((a, b) => a - b);
  const result: Piece[] = [];
  for (let index = 0; index + 1 < cuts.length; index += 1) {
    const start = cuts[index]!;
    const end = cuts[index + 1]!;
    result.push({
      start,
      text: text.slice(start, end),
      places: places.filter((place) => place.start <= start && place.end >= end),
      begins: places.filter((place) => place.start === start),
    });
  }
  return result;
}

/** Fields in the order of their first evidence, so that reading and checking go the same way. */
export function fieldOrder(
  transcript: Pick<Transcript, 'draft'>,
  places: readonly Place[],
): string[] {
  const first = (field: string): number =>
    places.find((place) => place.fields.includes(field))?.number ?? Number.MAX_SAFE_INTEGER;
  return Object.keys(transcript.draft).sort((a, b) => first(a) - first(b) || (a < b ? -1 : 1));
}

export type Target = { sheet: string; field: string };

/** `assessment.health` → sheet and field. A name without a sheet belongs to the reception sheet. */
export function target(name: string): Target {
  const dot = name.indexOf('.');
  return dot < 0
    ? { sheet: 'intake', field: name }
    : { sheet: name.slice(0, dot), field: name.slice(dot + 1) };
}

export type FieldState = 'open' | 'accepted' | 'skipped';

export interface Plan {
  /** What one press of 「すべて受け入れる」 writes. */
  accept: string[];
  /** Left out because the pipeline is unsure. */
  check: string[];
  /** Left out because the sheet already holds something there. */
  filled: string[];
}

/**
 * What 「すべて受け入れる」 would do: everything open and sure goes in, nothing that is already filled
 * is touched, and the unsure ones wait to be looked at one by one.
 */
export function planAll(
  transcript: Pick<Transcript, 'draft'>,
  state: (field: string) => FieldState,
  hasValue: (field: string) => boolean,
): Plan {
  const plan: Plan = { accept: [], check: [], filled: [] };
  for (const [field, entry] of Object.entries(transcript.draft)) {
    if (state(field) !== 'open') continue;
    if (confidence(entry.confidence) === 'low') plan.check.push(field);
    else if (hasValue(field)) plan.filled.push(field);
    else plan.accept.push(field);
  }
  return plan;
}

/** 「00:01:03」 from seconds, or the time as the file wrote it. */
export function timecode(value: number | string | null | undefined): string {
  if (value === null || value === undefined || value === '') return '';
  if (typeof value === 'string') return value.replace(/[.,]\d+$/, '');
  const seconds = Math.floor(value);
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
}

export const ROLES: Readonly<Record<string, string>> = {
  worker: '相談員',
  client: '本人',
  family: '家族',
  agency: '関係機関',
  other: 'その他',
  unknown: '未確認',
};

export function roleLabel(code: string | undefined): string {
  return code ? (ROLES[code] ?? code) : 'まだ決まっていません';
}

/** What a transcript was read from, by the pipeline's code. */
export const FORMATS: Readonly<Record<string, string>> = {
  zoom_vtt: 'Zoom字幕（VTT）',
  teams_vtt: 'Teams字幕（VTT）',
  vtt: '字幕（VTT）',
  srt: '字幕（SRT）',
  whisper_json: 'Whisper（JSON）',
  whisperx_json: 'WhisperX（JSON）',
  google_json: 'Google音声認識（JSON）',
  azure_json: 'Azure音声認識（JSON）',
  aws_json: 'Amazon Transcribe（JSON）',
  amivoice_json: 'AmiVoice（JSON）',
  watson_json: 'Watson音声認識（JSON）',
  txt_block: 'テキスト（話し手ごとの段落）',
  txt_inline: 'テキスト（1行ごとに話し手）',
  txt_plain: 'テキスト（話し手の記載なし）',
  csv: '表（CSV）',
};

export function formatLabel(code: string): string {
  return FORMATS[code] ?? code;
}

/** Whether a value in a sheet counts as filled in. */
export function isFilled(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === false) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object') return Object.values(value).some(Boolean);
  return typeof value === 'string' ? value.trim() !== '' : true;
}

export const MAX_BYTES = 20 * 1024 * 1024;
export const ACCEPTED_EXTENSIONS = ['.txt', '.vtt', '.srt', '.json', '.csv'] as const;

/** Why a file cannot be taken, before anything is sent; null when it can. */
export function fileRefusal(file: { name: string; size: number }): string | null {
  const extension = /\.[^.]+$/.exec(file.name.toLowerCase())?.[0] ?? '';
  if (file.size === 0)
    return 'このファイルは空です。書き出しが終わっているか確かめて、もう一度選んでください。';
  if (file.size > MAX_BYTES) {
    const megabytes = (file.size / 1024 / 1024).toFixed(1);
    return `ファイルが大きすぎます（${megabytes}MB）。1つ20MBまでです。音声ではなく、文字起こしのファイルを選んでいるか確かめてください。`;
  }
  if (!(ACCEPTED_EXTENSIONS as readonly string[]).includes(extension))
    return 'この形式は取り込めません。TXT、VTT、SRT、JSON（Whisperなど）、CSVのいずれかを選んでください。音声ファイルは先に文字起こしをしてください。';
  return null;
}

/** What the server's refusal of a transcript means to the person who sent it. */
export function refusalText(code: string): string {
  switch (code) {
    case 'too_large':
      return 'ファイルが大きすぎます。1つ20MBまでです。分けて取り込んでください。';
    case 'too_long':
      return '文字起こしが長すぎます。いくつかに分けて取り込んでください。';
    case 'empty':
      return '発言が見つかりませんでした。中身のあるファイルか確かめてください。';
    case 'unsupported_format':
    case 'malformed':
      return '文字起こしとして読めませんでした。ファイルが途中で切れていないか、書き出しの形式（TXT、VTT、SRT、JSON）を確かめてください。';
    case 'encoding':
      return '文字コードを判別できませんでした。UTF-8 か Shift_JIS（CP932）で保存し直してください。';
    case 'personal_number':
      return '個人番号（マイナンバー）らしい12桁の番号があります。その番号を消してから、もう一度取り込んでください。';
    case 'forbidden':
      return 'この事案に文字起こしを取り込む権限がありません。主担当にご相談ください。';
    case 'offline':
      return 'サーバーにつながりません。ネットワークを確かめて、もう一度お試しください。選んだ内容は残っています。';
    default:
      return '取り込めませんでした。少し待ってから、もう一度お試しください。';
  }
}
