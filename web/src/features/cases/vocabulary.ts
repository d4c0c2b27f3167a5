/**
 * Japanese wording of the codes that cases carry over the API.
 *
 * Codes come from the catalogue (`case_status`, `urgency`, `consent_status`, `risk_flag`,
 * `log_method`, `visibility`); an unknown code is shown as it is rather than hidden, so that a
 * newer server never makes information vanish.
 */

import type { Tone } from '../../ui/Tag';

export type { Tone };

/** One step of the case's way through the program, in the order of process.bpmn. */
export interface Step {
  label: string;
  /** Stage codes during which this step is the current one. */
  stages: readonly string[];
}

export const STEPS: readonly Step[] = [
  { label: '相談受付', stages: ['received', 'reception', 'reopened'] },
  { label: '緊急度確認', stages: ['triage', 'urgency'] },
  { label: '同意確認', stages: ['consent_work', 'consent'] },
  { label: 'アセスメント', stages: ['assessing', 'assessment', 'intake'] },
  { label: 'スクリーニング', stages: ['screening'] },
  { label: 'プラン作成', stages: ['planning', 'plan'] },
  { label: '重層的支援会議', stages: ['meeting', 'layered_meeting'] },
  { label: '支援決定', stages: ['decided', 'decision'] },
  { label: '支援・経過', stages: ['active', 'support'] },
  { label: '評価・終結', stages: ['evaluating', 'evaluation', 'closed', 'referred', 'suspended'] },
];

/** Stage codes a list can be filtered by, with the words the field uses. */
export const STAGES: Readonly<Record<string, string>> = {
  received: '受付',
  consent_work: '同意に向けた取組中',
  assessing: 'アセスメント中',
  screening: 'スクリーニング中',
  planning: 'プラン作成中',
  meeting: '会議付議中',
  decided: '支援決定',
  active: '支援中',
  evaluating: '評価中',
  closed: '終結',
  referred: '他機関へつなぎ',
  suspended: '中断',
  reopened: '再開',
};

/** Stages after which nobody is expected to act. */
const ENDED: readonly string[] = ['closed', 'referred'];

export function stageLabel(code: string | null | undefined): string {
  if (!code) return '未設定';
  return STAGES[code] ?? STEPS.find((step) => step.stages.includes(code))?.label ?? code;
}

/** Index into {@link STEPS} of a stage; -1 when the stage is not on the way. */
export function stepIndex(code: string | null | undefined): number {
  if (!code) return -1;
  return STEPS.findIndex((step) => step.stages.includes(code));
}

export function isEnded(code: string): boolean {
  return ENDED.includes(code);
}

export type StepState = 'done' | 'now' | 'part' | 'todo';

/**
 * State of each step for the header. 同意確認 that lies behind the case while somebody's consent is
 * still open is `part`: the case went on (支援会議), the task did not end.
 */
export function stepStates(
  stage: string,
  consents: readonly { status: string }[],
): readonly StepState[] {
  const now = stepIndex(stage);
  const open = consents.some((consent) => !covers(consent.status));
  return STEPS.map((step, index) => {
    if (index > now) return 'todo';
    if (isEnded(stage)) return 'done';
    if (index === now) return 'now';
    if (step.stages.includes('consent_work') && open) return 'part';
    return 'done';
  });
}

export interface Chip {
  label: string;
  tone: Tone;
}

const URGENCIES: Readonly<Record<string, Chip & { long: string }>> = {
  s: { label: '最優先', long: '最優先（即日）', tone: 'red-filled' },
  a: { label: '高', long: '高（1週間以内）', tone: 'orange' },
  b: { label: '中', long: '中（1か月以内）', tone: 'grey' },
  c: { label: '低', long: '低（通常）', tone: 'grey' },
};

/** Option list `route`: how a consultation came. */
export const ROUTES: readonly { code: string; label: string }[] = [
  { code: 'self_visit', label: '本人（来所）' },
  { code: 'self_tel', label: '本人（電話・メール等）' },
  { code: 'family_visit', label: '家族・知人（来所）' },
  { code: 'family_tel', label: '家族・知人（電話・メール等）' },
  { code: 'houkatsu', label: '包括的相談支援事業者からのつなぎ' },
  { code: 'agency', label: 'その他の関係機関からの紹介' },
  { code: 'meeting', label: '支援会議・庁内会議等で把握' },
  { code: 'community', label: '民生委員・地域住民等からの情報' },
  { code: 'outreach', label: 'アウトリーチで把握' },
  { code: 'other', label: 'その他' },
  { code: 'unknown', label: '不明' },
];

export const URGENCY_CODES = ['s', 'a', 'b', 'c'] as const;

export function urgency(code: string | null | undefined): Chip & { long: string } {
  if (!code) return { label: '未確認', long: '緊急性 未確認', tone: 'yellow' };
  return URGENCIES[code] ?? { label: code, long: code, tone: 'grey' };
}

/** The word alone, for screens where the text stands beside a label 「緊急性」. */
export function urgencyLong(code: string | null | undefined): string {
  return urgency(code).long;
}

const CONSENTS: Readonly<Record<string, Chip & { long: string }>> = {
  unconfirmed: { label: '未確認', long: '同意 未確認', tone: 'orange' },
  full: { label: '同意あり', long: '同意あり', tone: 'green' },
  limited: { label: '限定', long: '同意あり（限定）', tone: 'green' },
  verbal: { label: '口頭', long: '口頭同意（書面未取得）', tone: 'yellow' },
  refused: { label: '不同意', long: '同意しない', tone: 'red' },
  withdrawn: { label: '撤回', long: '同意を撤回', tone: 'red' },
  incapable: { label: '意思確認困難', long: '意思確認が困難', tone: 'orange' },
  expired: { label: '期限切れ', long: '同意の期限切れ', tone: 'orange' },
};

export const CONSENT_CODES = [
  'full',
  'limited',
  'verbal',
  'refused',
  'incapable',
  'unconfirmed',
] as const;

export function consent(code: string | null | undefined): Chip & { long: string } {
  if (!code) return CONSENTS['unconfirmed']!;
  return CONSENTS[code] ?? { label: code, long: code, tone: 'grey' };
}

/** Whether a state lets information go to other agencies without asking for another basis. */
export function covers(status: string): boolean {
  return status === 'full' || status === 'limited' || status === 'verbal';
}

export const CONSENT_METHODS: Readonly<Record<string, string>> = {
  paper: '書面（署名・記名）',
  electronic: '電子署名・タブレット',
  verbal: '口頭（立会人あり）',
  proxy: '法定代理人・親権者',
};

/** Flags that are put by hand; the others follow from something else. */
export const FLAG_CODES = [
  'child_protect',
  'violence',
  'two_staff',
  'infection',
  'suicide',
  'animal',
  'recording',
  'interpreter',
  'media',
] as const;

const FLAGS: Readonly<Record<string, Chip>> = {
  dv_address: { label: '住所秘匿', tone: 'red-filled' },
  address_confidential: { label: '住所秘匿', tone: 'red-filled' },
  child_protect: { label: '要保護児童等', tone: 'red' },
  violence: { label: '暴力・威圧のおそれ', tone: 'red' },
  two_staff: { label: '複数名で訪問', tone: 'orange' },
  infection: { label: '感染症', tone: 'orange' },
  suicide: { label: '自死リスク', tone: 'red' },
  animal: { label: '大型犬・多頭飼育', tone: 'orange' },
  recording: { label: '録音に配慮', tone: 'yellow' },
  interpreter: { label: '通訳・手話・筆談', tone: 'blue' },
  media: { label: '報道・訴訟等の対応中', tone: 'orange' },
  deceased: { label: '死亡', tone: 'grey' },
  lifeline: { label: 'ライフライン停止', tone: 'red' },
};

export function flag(code: string): Chip {
  return FLAGS[code] ?? { label: code, tone: 'orange' };
}

export type Level = 'none' | 'masked' | 'read' | 'edit';

export const LEVELS: readonly Level[] = ['none', 'masked', 'read', 'edit'];

export const LEVEL_LABELS: Readonly<Record<Level, string>> = {
  none: '非開示',
  masked: 'マスク済み',
  read: '閲覧',
  edit: '編集',
};

/** Normalises what the server sends; anything unknown counts as not disclosed. */
export function levelOf(code: string | null | undefined): Level {
  if (code === 'edit' || code === 'read' || code === 'masked') return code;
  if (code === 'comment') return 'read';
  return 'none';
}

export function widens(from: Level, to: Level): boolean {
  return LEVELS.indexOf(to) > LEVELS.indexOf(from);
}

const SECTIONS: Readonly<Record<string, string>> = {
  intake: '受付',
  assessment: 'アセスメント',
  network: '世帯・関係',
  progress: '支援経過',
  screening: 'スクリーニング',
  plan: 'プラン',
  meeting: '会議',
  evaluation: '評価',
  note: '共有メモ',
};

/** Forms of the sections that are sheets. */
export const SECTION_FORMS: Readonly<Record<string, string>> = {
  intake: 'intake_application',
  assessment: 'intake_assessment',
  screening: 'screening',
  plan: 'plan',
  meeting: 'meeting',
  evaluation: 'evaluation',
};

/** Sections of which a case may have several sheets. */
export const REPEATED: ReadonlySet<string> = new Set(['plan', 'meeting', 'evaluation']);

export function sectionLabel(code: string): string {
  return SECTIONS[code] ?? code;
}

export const METHODS: Readonly<Record<string, string>> = {
  tel: '電話相談・連絡',
  visit: '訪問・同行支援',
  interview: '面談（来所）',
  outreach_noshow: '訪問したが不在・面会拒否',
  agency_tel: '他機関との電話照会・協議',
  agency_meet: '他機関との面談・会議',
  online: 'オンライン面談',
  mail: 'メール・SNS・文書',
  internal: '所内・庁内会議',
  shien: '支援会議',
  jyuso: '重層的支援会議',
  info: '情報収集・調査',
  other: 'その他',
};

/** Four methods that make up nearly every entry stand as buttons; the rest is in a list. */
export const METHODS_FIRST = ['tel', 'visit', 'interview', 'outreach_noshow'] as const;

export const METHODS_SHORT: Readonly<Record<string, string>> = {
  tel: '電話',
  visit: '訪問・同行',
  interview: '面談',
  outreach_noshow: '不在・拒否',
};

export const VISIBILITIES: Readonly<Record<string, { label: string; note: string }>> = {
  case_members: { label: '事案メンバー全員', note: '開示の設定に従って見えます' },
  kotaki: { label: '多機関協働事業者と自機関', note: 'ほかの機関には出ません' },
  own_org: { label: '自機関のみ', note: 'ほかの機関には存在も出ません' },
  shien_members: {
    label: '支援会議の構成員のみ',
    note: '開かれている支援会議の構成員に、会議の期間だけ見えます',
  },
  custom: { label: '機関を選ぶ', note: '選んだ機関と自機関だけに見えます' },
};

/** Option list `log_kind`. */
export const LOG_KINDS: Readonly<Record<string, string>> = {
  fact: '事実',
  assess: '見立て',
  plan: '方針',
  handover: '引継ぎ',
  emergency: '緊急',
  complaint: '苦情・要望',
};

/** Option list `log_target`. */
export const LOG_TARGETS: Readonly<Record<string, string>> = {
  self: '本人',
  family: '家族・親族',
  agency: '関係機関',
  community: '地域住民・知人',
  other: 'その他',
};

/** Standing of a person in a case. */
export const KINSHIPS: Readonly<Record<string, string>> = {
  client: '支援対象者',
  household: '同居の家族',
  relative: '親族',
  related: '関係者',
};

/** Option list `kinship`. */
export const KIN: Readonly<Record<string, string>> = {
  self: '本人',
  spouse: '配偶者',
  partner: '内縁・パートナー',
  ex_spouse: '元配偶者',
  father: '父',
  mother: '母',
  step_father: '継父',
  step_mother: '継母',
  foster_parent: '養父母・里親',
  son: '子（男）',
  daughter: '子（女）',
  child: '子（性別不明）',
  step_child: '継子',
  adopted_child: '養子',
  foster_child: '里子',
  elder_bro: '兄',
  elder_sis: '姉',
  younger_bro: '弟',
  younger_sis: '妹',
  half_sib: '異父母きょうだい',
  grandfather: '祖父',
  grandmother: '祖母',
  grandchild: '孫',
  uncle: 'おじ',
  aunt: 'おば',
  nephew_niece: 'おい・めい',
  cousin: 'いとこ',
  in_law_parent: '義父母',
  in_law_child: '子の配偶者',
  in_law_sib: '義きょうだい',
  friend: '友人・知人',
  neighbor: '近隣住民',
  landlord: '家主・管理会社',
  guardian: '成年後見人等',
  keyworker: '支援者',
  other: 'その他',
};

/** Kinship in words; the register also holds plain words (長女, 叔父). */
export function kinshipLabel(code: string): string {
  return KIN[code] ?? code;
}

const GENDERS: Readonly<Record<string, string>> = {
  '1': '男性',
  '2': '女性',
  '3': 'その他',
  '9': '不明・回答しない',
};

export function genderLabel(code: string | null | undefined): string {
  return code ? (GENDERS[code] ?? code) : '';
}

export const CASE_ROLES: Readonly<Record<string, string>> = {
  lead: '主担当',
  main: '主担当',
  member: '支援関係機関',
  support: '支援関係機関',
  observer: '情報共有のみ',
};

export const OUTCOMES: Readonly<Record<string, string>> = {
  goal: '目標を達成した・課題が解決した',
  role_done: '役割分担ができ、主担当機関の支援に移行した',
  other_system: '他制度・他機関の支援に移行した',
  moved: '転出',
  death: '死亡',
  refused: '本人の意思（拒否・辞退）',
  lost: '連絡途絶',
  prison_hosp: '長期入院・入所など',
  other: 'その他',
};
