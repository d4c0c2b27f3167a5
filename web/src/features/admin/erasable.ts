/** What can be erased along with a record: things of the case outside its sheets. */
import { api } from '../../api/client';
import type { Schema } from '../../api/types';
import { dateTime, wareki } from '../cases/dates';

export interface ErasablePart {
  /** Code of the kind of object. */
  kind: string;
  label: string;
  options: { id: string; label: string }[];
}

/** All entries of a case, however many pages they take. */
async function entries(id: string, signal: AbortSignal): Promise<Schema<'ProgressAnswer'>[]> {
  const found: Schema<'ProgressAnswer'>[] = [];
  let cursor: string | undefined;
  do {
    const page: Schema<'ProgressList'> = await api.get(
      `cases/${id}/progress-records`,
      { limit: 200, cursor },
      signal,
    );
    found.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

/** Kinds of which the case has something, each by date and kind: what it says is not repeated here. */
export async function erasableParts(
  id: string,
  zone: string,
  signal: AbortSignal,
): Promise<ErasablePart[]> {
  const [heard, written, asked, course] = await Promise.all([
    api.get<Schema<'TranscriptList'>>(`cases/${id}/transcripts`, undefined, signal),
    entries(id, signal),
    api.get<Schema<'RequestList'>>(`cases/${id}/requests`, undefined, signal),
    api.get<Schema<'Course'>>(`cases/${id}/course`, undefined, signal),
  ]);
  const parts: ErasablePart[] = [
    {
      kind: 'transcript',
      label: 'あわせて消す文字起こし',
      options: heard.items.map((one) => ({
        id: one.id,
        label: `${dateTime(one.created_at, zone)} の文字起こし`,
      })),
    },
    {
      kind: 'progress_record',
      label: 'あわせて消す支援経過',
      options: written.map((one) => ({
        id: one.id,
        label: `${wareki(one.performed_on)} ${one.method_label ?? ''}（${one.agency.name}）`,
      })),
    },
    {
      kind: 'attachment',
      label: 'あわせて消す添付',
      options: written.flatMap((one) =>
        one.attachments.map((file) => ({
          id: file.id,
          label: `${file.name}（${wareki(one.performed_on)}の支援経過）`,
        })),
      ),
    },
    {
      kind: 'request',
      label: 'ことばを消す依頼（依頼したことと返事は残ります）',
      options: asked.items.map((one) => ({
        id: one.id,
        label: `${dateTime(one.requested_at, zone)} ${one.kind_label}（${one.from_agency.name}）`,
      })),
    },
    {
      kind: 'step',
      label: '理由を消す段階（段階を変えたことは残ります）',
      options: course.steps
        .filter((step) => step.reason)
        .map((step) => ({ id: step.id, label: `${wareki(step.entered_on)} ${step.to_label}` })),
    },
  ];
  return parts.filter((part) => part.options.length > 0);
}
