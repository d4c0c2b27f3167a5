/** The form of a new entry: its state, what templates and last values put into it, what is sent. */
import type { Schema } from '../../../api/types';

export type Desk = Schema<'ProgressDesk'>;
export type Template = Schema<'TemplateAnswer'>;
export type Attachment = Schema<'AttachmentAnswer'>;

export interface EntryForm {
  day: string;
  /** `HH:MM`, or empty. */
  time: string;
  /** Empty: everybody in the case. */
  persons: string[];
  method: string;
  content: string;
  title: string;
  visibility: string;
  /** With `custom`. */
  agencies: string[];
  minutes: string;
  kinds: string[];
  targets: string[];
  involvedOrgs: string[];
  involvedAgencies: string[];
  planItems: { document_id: string; row_id: string }[];
  attachments: Attachment[];
  note: string;
}

export function blankForm(today: string, first: string | undefined): EntryForm {
  return {
    day: today,
    time: '',
    persons: first === undefined ? [] : [first],
    method: '',
    content: '',
    title: '',
    visibility: 'case_members',
    agencies: [],
    minutes: '',
    kinds: [],
    targets: [],
    involvedOrgs: [],
    involvedAgencies: [],
    planItems: [],
    attachments: [],
    note: '',
  };
}

/** Whether something was typed that must not be lost. */
export function isWritten(form: EntryForm): boolean {
  return (
    [form.content, form.title, form.note].some((text) => text.trim() !== '') ||
    form.attachments.length > 0
  );
}

/** A draft as the server kept it; what an older screen did not know is as in an empty form. */
export function fromDraft(content: Record<string, unknown>, blank: EntryForm): EntryForm {
  const form: Record<string, unknown> = { ...blank };
  for (const [name, value] of Object.entries(blank)) {
    const kept = content[name];
    if (Array.isArray(value) ? Array.isArray(kept) : typeof kept === typeof value)
      form[name] = kept;
  }
  return form as unknown as EntryForm;
}

/** `11月30日` of an ISO date. */
export function dayWords(day: string): string {
  const [, month, date] = day.split('-').map(Number);
  return month && date ? `${month}月${date}日` : '';
}

/** Fills a template in. What was written stays: the template's text comes below it. */
export function withTemplate(form: EntryForm, template: Template): EntryForm {
  const text = template.content
    .replaceAll('{date}', dayWords(form.day))
    .replaceAll('{time}', form.time)
    .replaceAll('  ', ' ')
    .trimEnd();
  const written = form.content.trim();
  return {
    ...form,
    method: template.method ?? form.method,
    title: form.title.trim() === '' ? (template.title ?? '') : form.title,
    content: written === '' ? text : `${form.content.trimEnd()}\n\n${text}`,
    kinds: template.log_kind.length > 0 ? [...template.log_kind] : form.kinds,
    targets: template.log_target.length > 0 ? [...template.log_target] : form.targets,
    minutes: form.minutes === '' && template.minutes ? String(template.minutes) : form.minutes,
  };
}

/** Takes over what the same writer entered in this case last time. Texts are never among it. */
export function withLast(form: EntryForm, last: NonNullable<Desk['last']>): EntryForm {
  return {
    ...form,
    method: last.method,
    persons: last.persons.map((person) => person.person_id),
    minutes: last.minutes == null ? form.minutes : String(last.minutes),
    targets: [...last.log_target],
    involvedOrgs: [...last.involved_orgs],
    involvedAgencies: last.involved_agencies.map((agency) => agency.id),
  };
}

/** Body of `POST …/progress-records`. */
export function toRequest(form: EntryForm, draftId: string | undefined): Record<string, unknown> {
  const list = (name: string, values: readonly unknown[]) =>
    values.length > 0 ? { [name]: values } : {};
  const text = (name: string, value: string) =>
    value.trim() === '' ? {} : { [name]: value.trim() };
  const minutes = Number(form.minutes);
  return {
    performed_on: form.day,
    ...(form.time === '' ? {} : { performed_at: `${form.day}T${form.time}` }),
    method: form.method,
    content: form.content.trim(),
    ...text('title', form.title),
    ...text('private_note', form.note),
    // ［氏名1］ of a masked case is a number of the screen, and nobody an entry can be about.
    persons: form.persons.filter((id) => !/^n\d+$/.test(id)),
    visibility: form.visibility,
    ...(form.visibility === 'custom' ? { agencies: form.agencies } : {}),
    ...(form.minutes !== '' && Number.isInteger(minutes) ? { minutes } : {}),
    ...list('log_kind', form.kinds),
    ...list('log_target', form.targets),
    ...list('involved_orgs', form.involvedOrgs),
    ...list('involved_agencies', form.involvedAgencies),
    ...list('plan_items', form.planItems),
    ...list(
      'attachments',
      form.attachments.map((one) => one.id),
    ),
    ...(draftId ? { draft_id: draftId } : {}),
  };
}

/** Size in words, in steps of 1,000. */
export function sizeWords(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} KB`;
  return `${(bytes / 1_000_000).toFixed(1).replace('.0', '')} MB`;
}

/** Why an attachment is not found by the words in it; pictures have none, and nobody expects any. */
export function unsearched({ text, media_type }: Attachment): string | undefined {
  switch (text) {
    case 'locked':
      return '本文を検索できません（パスワード付き）';
    case 'unreadable':
      return '本文を検索できません（壊れているか、大きすぎます）';
    case 'none':
      return media_type.startsWith('image/')
        ? undefined
        : '本文を検索できません（文字の入っていないファイル、または紙を写した画像）';
    default:
      return undefined;
  }
}
