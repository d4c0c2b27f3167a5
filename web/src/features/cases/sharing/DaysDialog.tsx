import { useState } from 'react';
import { Button, DateInput, FormDialog } from '../../../ui';
import { cell, daysOf, withDays, type Days, type Matrix } from '../disclosure';
import { LEVEL_LABELS, sectionLabel } from '../vocabulary';

const at = (section: string, end: 'from' | 'to'): string => `days-${section}-${end}`;

/** From when to when an agency sees each section. The matrix of the case is saved afterwards. */
export function DaysDialog({
  name,
  agency,
  sections,
  matrix,
  today,
  onDone,
  onClose,
}: {
  name: string;
  agency: string;
  sections: readonly string[];
  matrix: Matrix;
  today: string;
  onDone: (next: Matrix) => void;
  onClose: () => void;
}) {
  const given = sections.filter((section) => cell(matrix, agency, section).level !== 'none');
  const [days, setDays] = useState<Readonly<Record<string, Days>>>(() =>
    Object.fromEntries(
      given.map((section) => {
        const { from, to } = cell(matrix, agency, section);
        return [section, { from, to }];
      }),
    ),
  );
  const [all, setAll] = useState<Days>({});
  const set = (section: string, part: Days): void =>
    setDays((old) => ({ ...old, [section]: { ...old[section], ...part } }));
  return (
    <FormDialog
      title={`開示の期間：${name}`}
      submitLabel="期間を入れる"
      width="l"
      check={() =>
        given.flatMap((section) => {
          const { from, to } = days[section] ?? {};
          const target = at(section, 'to');
          if (from && to && to < from)
            return [
              {
                target,
                message: `「${sectionLabel(section)}」の終わりの日が、はじめの日より前です。`,
              },
            ];
          const before = cell(matrix, agency, section).to;
          if (to && to < today && to !== before)
            return [
              {
                target,
                message: `「${sectionLabel(section)}」の終わりの日は、今日以後にしてください。すぐに止めるときは「非開示」にします。`,
              },
            ];
          return [];
        })
      }
      save={async () => {
        let next = new Map(matrix);
        for (const section of given) next = withDays(next, agency, section, days[section] ?? {});
        onDone(next);
        return Promise.resolve();
      }}
      onClose={onClose}
    >
      {(errorAt) =>
        given.length === 0 ? (
          <p>この機関に開示している記録はありません。先に見える範囲を選んでください。</p>
        ) : (
          <>
            <p className="soft">
              期間の外では何も見えません。終わりの日の次の日に自動で見えなくなり、30日前からホームでお知らせします。はじめの日が空欄なら今すぐ、終わりの日が空欄なら期限なしです。
            </p>
            <div className="days-all">
              <DateInput
                label="すべての記録：はじめの日"
                value={all.from ?? ''}
                yearless={{ today, ahead: true }}
                onChange={(from) => setAll((old) => ({ ...old, from: from || undefined }))}
              />
              <DateInput
                label="すべての記録：終わりの日"
                value={all.to ?? ''}
                yearless={{ today, ahead: true }}
                onChange={(to) => setAll((old) => ({ ...old, to: to || undefined }))}
              />
              <Button
                onClick={() =>
                  setDays((old) =>
                    // An empty box leaves the days that are there.
                    Object.fromEntries(given.map((s) => [s, { ...old[s], ...daysOf(all) }])),
                  )
                }
              >
                すべてに入れる
              </Button>
            </div>
            {given.map((section) => (
              <fieldset key={section} className="person-block">
                <legend className="field__legend">
                  {sectionLabel(section)}
                  <span className="soft">
                    （{LEVEL_LABELS[cell(matrix, agency, section).level]}）
                  </span>
                </legend>
                <div className="two">
                  <DateInput
                    id={at(section, 'from')}
                    label="はじめの日"
                    value={days[section]?.from ?? ''}
                    yearless={{ today, ahead: true }}
                    onChange={(from) => set(section, { from: from || undefined })}
                  />
                  <DateInput
                    id={at(section, 'to')}
                    label="終わりの日"
                    value={days[section]?.to ?? ''}
                    yearless={{ today, ahead: true }}
                    onChange={(to) => set(section, { to: to || undefined })}
                    error={errorAt(at(section, 'to'))}
                  />
                </div>
              </fieldset>
            ))}
          </>
        )
      }
    </FormDialog>
  );
}
