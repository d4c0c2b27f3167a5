import type { CaseDetail, SectionInfo } from './api';
import { ProgressEntry } from './progress/ProgressEntry';
import { ProgressList } from './progress/ProgressList';
import './progress/progress.css';

export { ProgressEntry, ProgressList };

/** 「支援経過」: the fast entry first, then the entries, newest first. */
export function ProgressTab({
  detail,
  section,
  item,
}: {
  detail: CaseDetail;
  section: SectionInfo | undefined;
  item: string | undefined;
}) {
  const writable = detail.permissions.includes('write_progress');
  return (
    <>
      {writable && <ProgressEntry detail={detail} />}
      <ProgressList detail={detail} section={section} item={item} />
    </>
  );
}
